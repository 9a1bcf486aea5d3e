// Strips of emotions over time: for each moment a column of stacked probabilities, as SVG.
const EMOTIONS = EMOTION_NAMES;
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
