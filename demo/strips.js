// What the tabs Clip and Camera draw alike: strips of emotions over time, for each moment a column of stacked
// probabilities, as SVG; and maps in colour.
const EMOTIONS = EMOTION_NAMES, COLOURS = EMOTION_COLOURS;
const SVG = "http://www.w3.org/2000/svg";

// The likeliest emotion of the moment at `place`; `shares` has seven numbers for each moment.
const answerAt = (shares, place) => {
    let best = 0;
    for (let emotion = 1; emotion < 7; emotion++) if (shares[7 * place + emotion] > shares[7 * place + best]) best = emotion;
    return best;
};

// Moments in a row of which `same(place, place + 1)` holds, as [first, last].
const runs = (count, same) => {
    const found = [];
    for (let place = 0; place < count; place++)
        if (place && same(place - 1, place)) found.at(-1)[1] = place; else found.push([place, place]);
    return found;
};

// Draws the columns into an <svg>. Each begins at its time and ends at `ends`; all times lie between `from` and `to`.
const drawStrip = (svg, {times, ends, shares}, from, to) => {
    const scale = 1000 / (to - from), paths = EMOTIONS.map(() => "");
    times.forEach((time, place) => {
        const left = ((time - from) * scale).toFixed(1), right = ((ends[place] - from) * scale).toFixed(1);
        let sum = 0;
        for (let emotion = 0; emotion < 7; emotion++) sum += shares[7 * place + emotion];
        let top = 0;
        for (let emotion = 0; emotion < 7; emotion++) {
            const bottom = top + 100 * shares[7 * place + emotion] / (sum || 1);
            if (bottom - top > 0.2) paths[emotion] += `M${left} ${top.toFixed(1)}H${right}V${bottom.toFixed(1)}H${left}Z`;
            top = bottom;
        }
    });
    if (!svg.childElementCount) {
        svg.setAttribute("viewBox", "0 0 1000 100");
        svg.setAttribute("preserveAspectRatio", "none");
        svg.setAttribute("aria-hidden", "true");
        for (const emotion of EMOTIONS) {
            const path = svg.appendChild(document.createElementNS(SVG, "path"));
            path.style.fill = `var(--${emotion})`;
        }
    }
    paths.forEach((path, emotion) => svg.children[emotion].setAttribute("d", path));
};

// Writes the answers into a strip, each where it lasts long enough for its word. Stretches are [first, last] places.
const writeAnswers = (place, stretches, {times, ends, shares}, from, to) => {
    const width = place.clientWidth || 600;
    place.replaceChildren(...stretches.flatMap(([first, last]) => {
        const word = EMOTIONS[answerAt(shares, first)];
        const left = (times[first] - from) / (to - from), right = (ends[last] - from) / (to - from);
        if ((right - left) * width < 8.5 * word.length + 14) return [];
        const label = document.createElement("span");
        label.textContent = word;
        label.style.left = `${50 * (left + right)}%`;
        return [label];
    }));
};

const bytesOf = base64 => Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
const PALETTE = bytesOf("PALETTE_BYTES"), LAYER_SIDE = 56;
const layer = Object.assign(document.createElement("canvas"), {width: LAYER_SIDE, height: LAYER_SIDE});

// Lays the map number `index` of several over the square with its middle at the origin. Values are enlarged before they
// get their colours, so that every colour on the way is one of the colour map.
const layMap = (paper, {rows, columns, values}, index, side) => {
    const start = index * rows * columns, cell = (row, column) => values[start + row * columns + column] ?? 0;
    const context = layer.getContext("2d"), pixels = context.createImageData(LAYER_SIDE, LAYER_SIDE);
    const along = (pixel, count) => Math.min(count - 1, Math.max(0, (pixel + 0.5) * count / LAYER_SIDE - 0.5));
    for (let y = 0; y < LAYER_SIDE; y++) for (let x = 0; x < LAYER_SIDE; x++) {
        const row = along(y, rows), column = along(x, columns), top = Math.floor(row), left = Math.floor(column);
        const bottom = Math.min(top + 1, rows - 1), right = Math.min(left + 1, columns - 1);
        const upper = cell(top, left) + (column - left) * (cell(top, right) - cell(top, left));
        const lower = cell(bottom, left) + (column - left) * (cell(bottom, right) - cell(bottom, left));
        const colour = 3 * Math.round(upper + (row - top) * (lower - upper)), at = 4 * (LAYER_SIDE * y + x);
        pixels.data.set([PALETTE[colour], PALETTE[colour + 1], PALETTE[colour + 2], 255], at);
    }
    context.putImageData(pixels, 0, 0);
    paper.globalAlpha = LAYER_OPACITY;
    paper.drawImage(layer, -side / 2, -side / 2, side, side);
    paper.globalAlpha = 1;
};
