// The tab Clip in the browser: brings a clip to the server, draws the timeline as it grows, and plays the clip with what
// the models see laid over it. The timeline, the maps and the files are fetched from /clips/, see demo/clip_routes.py.
const root = window.gradio_config?.root ?? "";
const find = name => element.querySelector(`[data-clip=${name}]`);
const tab = element.querySelector(".clip-tab");
const [video, canvas] = [find("video"), find("canvas")];
const RECORD_SECONDS = 20;

let number = 0;        // of the clip that is wanted: answers to earlier ones are too late
let sending = null;    // the upload that is under way
let token = "", timeline = null, mode = "smoothed", maps = {}, state = "empty";
let isStopping = false;
const isWorking = () => ["waiting", "reading", "running"].includes(state);
const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`fer-lens:${name}`, {detail}));
const address = name => `${root}/clips/${token}/${name}`;
const cards = () => document.querySelector("#clip-cards");

// ---- States ----

const setState = (name, words = "", share = null) => {
    state = tab.dataset.state = name;
    find("progress").hidden = !["sending", "waiting", "reading", "running"].includes(name);
    find("doing").textContent = words;
    const bar = find("progress").querySelector("progress");
    if (share === null) bar.removeAttribute("value"); else bar.value = share;
};
const complain = sentence => {
    find("problem").textContent = sentence;
    find("problem").hidden = !sentence;
    if (sentence) tell("say", sentence);
};
const forget = () => {
    number++;
    sending?.abort();
    sending = null;
    if (isWorking()) tell("clip-wanted-stop");
    token = "";
    timeline = null;
    maps = {};
    video.pause();
    video.removeAttribute("src");
    find("faces").replaceChildren();
    find("stage").hidden = true;
    cards().hidden = true;
    complain("");
};
const fail = sentence => {
    setState("empty");
    complain(sentence);
};
const models = () => [...document.querySelectorAll("[data-model]:checked")].map(box => box.dataset.model).join(",");

// ---- A clip comes ----

const analyse = upload => {
    isStopping = false;
    setState("waiting", "Waiting for its turn: one clip is analysed at a time …");
    tell("clip-wanted", {number, upload, models: models()});
};
const send = file => {
    forget();
    if (file.size > MEGABYTES * 2 ** 20) return fail("The file is larger than MEGABYTES MB; please make it smaller first.");
    if (!file.size) return fail("The file is empty; please choose another one.");
    const mine = number, form = new FormData(), request = sending = new XMLHttpRequest();
    form.append("files", file, file.name || "clip");
    setState("sending", "Sending the clip …");
    request.upload.addEventListener("progress", event => {
        if (mine === number && event.total) setState("sending", `Sending the clip: ${Math.round(100 * event.loaded / event.total)} % …`, event.loaded / event.total);
    });
    request.addEventListener("loadend", () => {
        if (mine !== number || request !== sending) return;
        sending = null;
        if (request.status !== 200) return fail("The clip could not be sent. Please try again.");
        analyse(JSON.parse(request.responseText)[0]);
    });
    request.open("POST", `${root}/gradio_api/upload`);
    request.send(form);
};
const isHere = () => element.offsetParent !== null;

element.addEventListener("change", event => {
    if (event.target === find("file") && event.target.files.length) {
        send(event.target.files[0]);
        event.target.value = "";  // so that the same file can be chosen again
    }
    if (event.target === find("map")) chooseMap();
});
for (const kind of ["dragover", "drop"])
    element.addEventListener(kind, event => {
        event.preventDefault();
        tab.classList.toggle("dropping", kind === "dragover");
        if (kind === "drop" && event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
    });
element.addEventListener("dragleave", () => tab.classList.remove("dropping"));
document.addEventListener("paste", event => {
    const file = [...event.clipboardData.files].find(file => file.type.startsWith("video/"));
    if (file && isHere()) send(file);
});

const record = async () => {
    let stream;
    try {
        stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "user", width: {ideal: 1280}}, audio: false});
    } catch (error) {
        return complain("There is no camera that this page may use. Allow it in the browser, or choose a file.");
    }
    const dialog = document.createElement("dialog");
    dialog.className = "camera";
    dialog.setAttribute("aria-label", "Record a clip");
    dialog.innerHTML = '<video autoplay playsinline muted></video><div class="buttons">'
        + '<button type="button" class="primary" data-start>Start recording</button><button type="button" data-cancel>Cancel</button>'
        + '<output role="status"></output></div>';
    dialog.querySelector("video").srcObject = stream;
    const [start, said] = [dialog.querySelector("[data-start]"), dialog.querySelector("output")];
    said.textContent = `At most ${RECORD_SECONDS} seconds, without sound.`;
    let recorder = null, clock = 0;
    const begin = () => {
        const type = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"].find(kind => MediaRecorder.isTypeSupported(kind));
        recorder = new MediaRecorder(stream, {mimeType: type, videoBitsPerSecond: 4e6});
        const parts = [], begun = performance.now();
        recorder.addEventListener("dataavailable", event => parts.push(event.data));
        recorder.addEventListener("stop", () => {
            dialog.close();
            if (recorder.isWanted) send(new File(parts, "recording", {type: type.split(";")[0]}));
        });
        recorder.isWanted = true;
        recorder.start();
        start.textContent = "Stop and analyse";
        clock = setInterval(() => {
            const seconds = (performance.now() - begun) / 1000;
            said.textContent = `● ${seconds.toFixed(0)} of ${RECORD_SECONDS} s`;
            if (seconds >= RECORD_SECONDS) recorder.stop();
        }, 200);
    };
    dialog.addEventListener("close", () => {
        clearInterval(clock);
        if (recorder && recorder.state !== "inactive") { recorder.isWanted = false; recorder.stop(); }
        stream.getTracks().forEach(track => track.stop());
        dialog.remove();
    });
    dialog.addEventListener("click", event => {
        if (event.target === start) recorder ? recorder.stop() : begin();
        if (event.target.matches("[data-cancel]")) dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
};

// ---- What the server reports ----

document.addEventListener("fer-lens:clip-report", ({detail: report}) => {
    const isRunning = ["reading", "running"].includes(report.state);
    if (isRunning && (report.number !== number || isStopping)) tell("clip-wanted-stop");  // it waited until now
    if (report.number !== number || !isWorking()) return;
    if (report.state === "problem") return fail(report.sentence);
    if (report.state === "reading") return setState("reading", "Reading the clip …");
    if (!token) {
        token = report.token;
        video.src = address("preview.mp4");
    }
    if (report.state === "running") {
        const left = report.left === undefined ? "" : `; ${report.left} s left`;
        setState("running", `Looking at ${report.perSecond} frames per second${left} …`, report.share ?? 0);
    } else {
        setState("done");
        complain(report.sentence ?? "");
    }
    refresh();
});
document.addEventListener("fer-lens:clip-failed", () => {
    cards().removeAttribute("aria-busy");
    if (isWorking()) setState("empty");
});

let isFetching = false, isStale = false;
const refresh = async () => {
    if (isFetching) return isStale = true;
    isFetching = true;
    const mine = number;
    try {
        const answer = await fetch(address("timeline.json"));
        if (mine === number && !answer.ok) complain(await answer.text());
        else if (mine === number) {
            timeline = await answer.json();
            draw();
            if (timeline.isDone) tell("say", find("faces").querySelector("p")?.textContent ?? "");
        }
    } catch (error) {
        if (mine === number) complain("The timeline could not be fetched. Please try again.");
    }
    isFetching = false;
    if (isStale) { isStale = false; if (token) refresh(); }
};

// ---- The timeline ----

const seconds = time => `${time.toFixed(1)} s`;
const percent = share => `${Math.round(share / 10)} %`;
const make = (kind, name, parent) => {
    const part = document.createElement(kind);
    part.className = name;
    parent?.append(part);
    return part;
};
// Columns end where the next moment begins, unless the face is not in that one.
const columns = (face, row) => {
    const times = face.moments.map(moment => timeline.times[moment]);
    const ends = face.moments.map(moment => Math.min(timeline.times[moment + 1] ?? timeline.times[moment] + timeline.step, timeline.duration));
    return {times, ends, shares: face.rows[row][mode]};
};
const isNext = (face, one, other) => face.moments[other] === face.moments[one] + 1;

const draw = () => {
    find("stage").hidden = false;
    drawRuler();
    const shown = [...find("faces").querySelectorAll(".clip-face")];
    for (const face of timeline.faces) {
        const part = shown.find(block => Number(block.dataset.number) === face.number) ?? makeFace(face);
        const place = face.isBrief ? brief() : find("faces");
        if (part.parentElement !== place) place.insertBefore(part, place === find("faces") ? find("faces").querySelector(".clip-brief") : null);
        drawFace(part, face);
    }
    const few = timeline.faces.filter(face => face.isBrief).length;
    if (few) brief().querySelector("summary").textContent = few > 1 ? `${few} more faces, each in view for a moment only` : "1 more face, in view for a moment only";
    else find("faces").querySelector(".clip-brief")?.remove();
    fillMaps();
    showTime(now());
};
const brief = () => {
    const there = find("faces").querySelector(".clip-brief");
    if (there) return there;
    const part = make("details", "clip-brief", find("faces"));
    make("summary", "", part);
    return part;
};
const makeFace = face => {
    const part = make("section", "clip-face");
    part.dataset.number = face.number;
    part.setAttribute("aria-label", `Face ${face.number}`);
    part.style.setProperty("--face-colour", face.colour);
    const head = make("header", "", part);
    make("img", "", head).alt = "";
    make("p", "", head);
    const rows = make("div", "clip-rows", part);
    ["mean", ...timeline.models.map(model => model.name)].forEach((row, index) => {
        const label = make("span", "clip-label", rows);
        label.textContent = row === "mean" ? "All models" : timeline.models.find(model => model.name === row).title;
        make("small", "", label).dataset.row = row;
        const strip = make("div", row === "mean" ? "clip-strip mean" : "clip-strip", rows);
        strip.dataset.row = row;
        strip.append(document.createElementNS(SVG, "svg"));
        if (row === "mean") { make("div", "clip-words", strip); make("div", "clip-differ", strip); }
        label.style.gridRow = strip.style.gridRow = index + 1;
    });
    const over = make("div", "clip-slider", rows);
    Object.entries({role: "slider", tabindex: 0, "aria-label": `Moments of face ${face.number}`, "aria-valuemin": 0}).forEach(pair => over.setAttribute(...pair));
    over.style.gridRow = `1 / span ${timeline.models.length + 1}`;
    make("div", "clip-marks", over);
    make("i", "clip-playhead", over);
    return part;
};
const drawFace = (part, face) => {
    const several = timeline.faces.length > 1;
    part.querySelector("img").src = face.picture;
    part.querySelector("p").innerHTML = "";
    const words = part.querySelector("p");
    if (several) make("b", "clip-number", words).textContent = face.number;
    words.append(face.words);
    for (const strip of part.querySelectorAll(".clip-strip"))
        drawStrip(strip.firstChild, columns(face, strip.dataset.row), 0, timeline.duration);
    for (const badge of part.querySelectorAll(".clip-label small")) badge.innerHTML = face.badges[badge.dataset.row] ?? "";
    const mean = columns(face, "mean");
    const stretches = runs(face.moments.length, (one, other) => isNext(face, one, other) && answerAt(mean.shares, one) === answerAt(mean.shares, other));
    writeAnswers(part.querySelector(".clip-words"), stretches, mean, 0, timeline.duration);
    const answers = timeline.models.map(model => face.rows[model.name][mode]);
    const differs = place => answers.some(shares => answerAt(shares, place) !== answerAt(answers[0], place));
    place(part.querySelector(".clip-differ"), runs(face.moments.length, (one, other) => isNext(face, one, other) && differs(one) === differs(other))
        .filter(([first]) => differs(first)).map(([first, last]) => [mean.times[first], mean.ends[last]]));
    mark(part.querySelector(".clip-marks"));
    part.querySelector(".clip-slider").setAttribute("aria-valuemax", timeline.duration);
    describeSlider(part);
};
// Puts a bar at each [from, to], in seconds.
const place = (parent, spans) => parent.replaceChildren(...spans.map(([from, to]) => {
    const bar = document.createElement("i");
    bar.style.left = `${100 * from / timeline.duration}%`;
    bar.style.width = `${100 * (to - from) / timeline.duration}%`;
    return bar;
}));
// Cuts, and what is still to come.
const mark = parent => {
    place(parent, [...timeline.cuts.map(cut => [timeline.times[cut], timeline.times[cut]]), [timeline.analysed, timeline.duration]]);
    [...parent.children].forEach((bar, index) => bar.className = index < timeline.cuts.length ? "cut" : "to-come");
};
const drawRuler = () => {
    let part = find("faces").querySelector(".clip-ruler");
    if (!part) {
        part = make("div", "clip-rows clip-ruler", find("faces"));
        make("span", "clip-label", part).textContent = "seconds";
        const over = make("div", "clip-slider", part);
        Object.entries({role: "slider", tabindex: 0, "aria-label": "Time", "aria-valuemin": 0}).forEach(pair => over.setAttribute(...pair));
        make("div", "clip-ticks", over);
        make("div", "clip-marks", over);
        make("i", "clip-playhead", over);
    }
    const most = part.clientWidth < 500 ? 6 : 12;
    const step = [0.5, 1, 2, 5, 10, 20, 30].find(step => timeline.duration / step <= most) ?? 30;
    const ticks = part.querySelector(".clip-ticks");
    ticks.replaceChildren();
    for (let time = 0; time <= timeline.duration; time += step) {
        const tick = make("span", "", ticks);
        tick.textContent = time;
        tick.style.left = `${100 * time / timeline.duration}%`;
        tick.classList.toggle("last", time > 0.97 * timeline.duration);
    }
    mark(part.querySelector(".clip-marks"));
    part.querySelector(".clip-slider").setAttribute("aria-valuemax", timeline.duration);
    describeSlider(part);
};
// What a slider says: the time, and what the face shows then.
const describeSlider = part => {
    const slider = part.querySelector(".clip-slider"), time = now();
    slider.setAttribute("aria-valuenow", time.toFixed(1));
    const face = timeline.faces.find(face => face.number === Number(part.dataset.number));
    const at = face ? face.moments.indexOf(momentAt(time)) : -1;
    const shares = face?.rows.mean[mode];
    const answer = at < 0 ? (face ? ", not in view" : "") : `, ${EMOTIONS[answerAt(shares, at)]} ${percent(shares[7 * at + answerAt(shares, at)])}`;
    slider.setAttribute("aria-valuetext", seconds(time) + answer);
};

const describeSliders = () => find("faces").querySelectorAll(".clip-ruler, .clip-face").forEach(describeSlider);

// ---- Moving in time ----

const now = () => video.currentTime || 0;
const momentAt = time => {
    let at = 0;
    while (at + 1 < timeline.times.length && timeline.times[at + 1] <= time + 0.005) at++;
    return at;
};
const seek = time => {
    video.pause();
    // A little later than the frame begins, because times are rounded.
    video.currentTime = Math.max(0, Math.min(time + 0.002, timeline.duration));
};
let asking = 0;
const choose = (face, moment) => {
    seek(timeline.times[moment]);
    clearTimeout(asking);
    const number = Number(face);
    if (!timeline.faces.find(one => one.number === number)?.moments.includes(moment)) {
        cards().hidden = true;  // there is no such face in this frame
        return;
    }
    cards().setAttribute("aria-busy", "true");
    asking = setTimeout(() => tell("clip-moment", {token, face: number, moment}), 250);
};
const timeAt = (slider, event) => {
    const box = slider.getBoundingClientRect();
    return timeline.duration * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
};
const goTo = (slider, time) => {
    const face = slider.closest("[data-number]")?.dataset.number;
    if (face) choose(face, momentAt(Math.min(time, timeline.times.at(-1) ?? 0)));
    else seek(time);
};
find("faces").addEventListener("pointerdown", event => {
    const slider = event.target.closest(".clip-slider");
    if (!slider || !timeline) return;
    slider.setPointerCapture(event.pointerId);
    slider.focus({preventScroll: true});
    goTo(slider, timeAt(slider, event));
});
find("faces").addEventListener("pointermove", event => {
    const slider = event.target.closest(".clip-slider");
    if (slider && event.buttons && slider.hasPointerCapture(event.pointerId)) goTo(slider, timeAt(slider, event));
});
find("faces").addEventListener("keydown", event => {
    const slider = event.target.closest(".clip-slider");
    const by = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9, Enter: 0}[event.key];
    if (!slider || by === undefined || !timeline?.times.length) return;
    event.preventDefault();
    const to = Math.min(timeline.times.length - 1, Math.max(0, momentAt(now()) + by));
    goTo(slider, timeline.times[to]);
});
const showCards = () => {
    const shows = cards().querySelector("[data-shows]")?.dataset.shows ?? "";
    cards().removeAttribute("aria-busy");
    cards().hidden = shows ? !token || !shows.startsWith(`${token} `) : !cards().textContent.trim();
};
document.addEventListener("fer-lens:clip-cards", showCards);

// ---- The player ----

const togglePlay = () => {
    if (!video.paused) return video.pause();
    if (timeline && now() >= timeline.duration - 0.05) video.currentTime = 0;
    video.play();
};
const showTime = time => {
    if (!timeline) return;
    tab.style.setProperty("--at", Math.min(1, time / timeline.duration));
    find("time").textContent = `${time.toFixed(1)} / ${seconds(timeline.duration)}`;
    drawOver(time);
};
const follow = () => {
    showTime(now());
    if (!video.paused) requestAnimationFrame(follow);
};
video.addEventListener("play", () => { find("play").setAttribute("aria-label", "Pause"); follow(); });
video.addEventListener("pause", () => {
    find("play").setAttribute("aria-label", "Play");
    if (timeline) describeSliders();
});
for (const kind of ["seeked", "timeupdate", "loadeddata"]) video.addEventListener(kind, () => {
    showTime(now());
    if (timeline && video.paused) describeSliders();
});
video.addEventListener("click", togglePlay);
new ResizeObserver(() => drawOver()).observe(video);
new ResizeObserver(() => { if (timeline && isHere()) draw(); }).observe(find("faces"));

// A face's square at a time, between its moments on straight lines; and the nearest moment's place in its lists.
const faceAt = (face, time) => {
    const before = momentAt(time), place = face.moments.indexOf(before), next = face.moments.indexOf(before + 1);
    const isFarther = timeline.times[before + 1] - timeline.times[before] > Math.max(0.75, 2 * timeline.step);
    if (place >= 0 && next >= 0 && !timeline.cuts.includes(before + 1) && !isFarther) {
        const share = (time - timeline.times[before]) / (timeline.times[before + 1] - timeline.times[before]);
        const [one, other] = [face.squares[place], face.squares[next]];
        const turn = ((other[3] - one[3] + 540) % 360) - 180;
        const square = one.map((value, index) => value + share * (index === 3 ? turn : other[index] - value));
        return [share < 0.5 ? place : next, square];
    }
    return place >= 0 && time - timeline.times[before] <= 1.5 * timeline.step ? [place, face.squares[place]] : null;
};
const drawOver = (time = now()) => {
    const width = video.clientWidth, height = video.clientHeight;
    if (!timeline || !width) return;
    const density = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density))
        [canvas.width, canvas.height] = [Math.round(width * density), Math.round(height * density)];
    const paper = canvas.getContext("2d"), scale = width / timeline.size[0];
    paper.setTransform(density, 0, 0, density, 0, 0);
    paper.clearRect(0, 0, width, height);
    for (const face of timeline.faces) {
        const found = faceAt(face, time);
        if (!found) continue;
        const [place, square] = found, [x, y, side] = square.map(value => value * scale);
        paper.save();
        paper.translate(x, y);
        paper.rotate(square[3] * Math.PI / 180);
        const map = maps.faces?.[face.number];
        if (map) layMap(paper, map, place, side);
        paper.lineWidth = 2.5;
        paper.strokeStyle = face.colour;
        paper.strokeRect(-side / 2, -side / 2, side, side);
        paper.restore();
        const model = maps.model ?? "mean", shares = face.rows[model][mode];
        const answer = EMOTIONS[answerAt(shares, place)];
        const label = timeline.faces.length > 1 ? `${face.number} ${answer}` : answer;
        paper.font = "600 14px 'IBM Plex Sans', sans-serif";
        const box = paper.measureText(label).width + 12;
        const left = Math.min(Math.max(0, x - side / 2), width - box), top = Math.max(0, y - side / 2 - 23);
        paper.fillStyle = face.colour;
        paper.fillRect(left, top, box, 22);
        paper.fillStyle = "#000";
        paper.fillText(label, left + 6, top + 16);
    }
};

// ---- Maps ----

const KINDS = {heatmaps: "heat map of", attention: "attention of"};
const fillMaps = () => {
    const list = find("map"), before = list.value;
    const options = [["", "the answer only"], ...Object.keys(KINDS).flatMap(kind =>
        timeline.models.filter(model => model.maps.includes(kind)).map(model => [`${kind} ${model.name}`, `${KINDS[kind]} ${model.title}`]))];
    if (list.options.length !== options.length) list.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    list.value = options.some(([value]) => value === before) ? before : "";
    if (list.value) chooseMap();
};
const chooseMap = async () => {
    const [kind, model] = find("map").value.split(" "), mine = number;
    if (!model) {
        maps = {};
        return drawOver();
    }
    const answer = await fetch(address(`maps.json?${new URLSearchParams({model, kind})}`));
    if (mine !== number) return;
    if (!answer.ok) return complain(await answer.text());
    const faces = await answer.json();
    for (const map of Object.values(faces)) map.values = bytesOf(map.values);
    maps = {model, kind, faces};
    drawOver();
};

// ---- Files ----

const save = async name => {
    const said = find("making"), query = maps.model && name === "overlay.mp4" ? `?${new URLSearchParams({model: maps.model, kind: maps.kind})}` : "";
    said.textContent = "being made …";
    try {
        const answer = await fetch(address(name) + query);
        if (!answer.ok) return complain(await answer.text());
        const link = document.createElement("a");
        link.href = URL.createObjectURL(await answer.blob());
        link.download = `fer-lens-${name === "overlay.mp4" ? "clip.mp4" : name}`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    } catch (error) {
        complain("The file could not be fetched. Please try again.");
    } finally {
        said.textContent = "";
    }
};

element.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const {clip, clipMode, clipFile} = button.dataset;
    if (clip === "record") record();
    if (clip === "example") { forget(); analyse(""); }
    if (clip === "play") togglePlay();
    if (clip === "stop") {
        if (state === "sending") { forget(); setState("empty"); }
        else {
            isStopping = true;
            tell("clip-wanted-stop");
            find("doing").textContent = "Stopping …";
        }
    }
    if (clipFile) save(clipFile);
    if (clipMode) {
        mode = clipMode;
        for (const each of element.querySelectorAll("[data-clip-mode]")) each.setAttribute("aria-pressed", each === button);
        if (timeline) draw();
    }
});
cards().hidden = true;
