// The tab Camera in the browser: sends pictures of the camera to the server one by one, and draws each together with
// what the model makes of it, so that boxes and maps fit. The next picture is sent when an answer comes: a slow server
// gets fewer. The camera is on only as long as the tab is seen.
const SENT_SIDE = 480, SHOWN_SIDE = 960, QUALITY = 0.8;  // longest sides in pixels; of the JPEG
const IN_FLIGHT = 2;  // pictures on their way, so that the server need not wait for the next one
const MEMORY = 10, RATE_OVER = 3, WORDS_EVERY = 0.25, GAP = 0.05;  // seconds
const GOING_ON = {1000: "Go on", 1013: "Try again"};  // by the code with which the server closes
const LEFT = "The camera was switched off because this tab was left.";
const INSECURE = "Browsers allow the camera only on pages whose address begins with https:// (or is localhost); open this page that way.";
const PROBLEMS = {
    NotAllowedError: "The browser does not let this page use the camera; allow it beside the address, then try again.",
    NotFoundError: "No camera was found; connect one, then try again.",
    NotReadableError: "Another program is using the camera; close it, then try again.",
};

const live = element.querySelector(".live");
const part = selector => live.querySelector(selector);
const [video, canvas, strip] = [part("video"), part(".stage canvas"), part(".live-strip svg")];
const visit = crypto.getRandomValues(new Uint32Array(2)).join("-");
const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const now = () => performance.now() / 1000;
let session = null, attempt = 0, kind = "heat";

// ---- Beginning and end ----

const show = (state, sentence, button) => {
    live.dataset.state = state;
    part("[data-stop]").hidden = state === "off";
    part("[data-start]").hidden = state !== "off";
    part("[data-said]").textContent = sentence;
    if (button) part("[data-start]").textContent = button;
    part("[data-announce]").textContent = state === "on" ? "The camera is on." : sentence;
};
const end = (sentence, button = "Start camera") => {
    attempt++;
    const hadFocus = document.activeElement === part("[data-stop]");
    const ended = session;
    session = null;
    ended?.stream.getTracks().forEach(track => track.stop());
    ended?.socket?.close();
    video.srcObject = null;
    canvas.width = canvas.height = 0;
    part("[data-pace]").textContent = "";
    show("off", sentence, button);
    if (hadFocus) part("[data-start]").focus();
};
const leave = () => { if (live.dataset.state !== "off") end(LEFT); };

const start = async () => {
    if (!navigator.mediaDevices) return end(INSECURE);
    const mine = ++attempt;
    show("starting", "Waiting for the camera …");
    part("[data-stop]").focus();
    let stream;
    try {
        stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "user", width: {ideal: 640}, height: {ideal: 480}}});
    } catch (error) {
        if (mine === attempt) end(PROBLEMS[error.name] ?? "The camera could not be started; try again.");
        return;
    }
    if (mine !== attempt) return stream.getTracks().forEach(track => track.stop());
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => { if (mine === attempt) end("The camera was switched off or disconnected."); });
    // A front camera is shown as a mirror, as people know it; the models get the picture as it is.
    session = {stream, isMirror: track.getSettings().facingMode !== "environment", sent: [], answers: [], moments: [], said: 0, began: now()};
    video.classList.toggle("mirror", session.isMirror);
    video.srcObject = stream;
    try {
        await video.play();
    } catch (error) {
        if (mine === attempt) end("The browser did not play the camera's picture; try again.");
    }
    if (mine === attempt) connect(mine);
};
const connect = mine => {
    const socket = session.socket = new WebSocket(address());
    let wasOpen = false;
    socket.addEventListener("open", () => {
        if (mine !== attempt) return;
        wasOpen = true;
        session.began = now();
        show("on", "");
        tellModel();
        for (let picture = 0; picture < IN_FLIGHT; picture++) capture();
    });
    socket.addEventListener("message", event => { if (mine === attempt) answer(JSON.parse(event.data)); });
    socket.addEventListener("close", event => {
        if (mine !== attempt) return;
        const lost = wasOpen ? "The connection to the server was lost." : "The server cannot be reached over a WebSocket; a proxy in between may block it.";
        end(event.reason || lost, GOING_ON[event.code]);
    });
};
// Beside the page itself, wherever a proxy has put it.
const address = () => {
    const root = new URL(window.gradio_config?.root || "/", window.location.href).pathname.replace(/\/$/, "");
    const scheme = window.location.protocol === "https:" ? "wss" : "ws";
    return `${scheme}://${window.location.host}${root}/live?visit=${visit}`;
};

// ---- Pictures and answers ----

const snapshot = longest => {
    const scale = Math.min(1, longest / Math.max(video.videoWidth, video.videoHeight));
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [Math.round(scale * video.videoWidth), Math.round(scale * video.videoHeight)];
    picture.getContext("2d").drawImage(video, 0, 0, picture.width, picture.height);
    return picture;
};
const capture = () => {
    const current = session, shown = snapshot(SHOWN_SIDE), sent = snapshot(SENT_SIDE), time = now();
    sent.toBlob(blob => {
        if (session !== current || current.socket.readyState !== WebSocket.OPEN) return;
        current.sent.push({shown, scale: shown.width / sent.width, time});
        current.socket.send(blob);
    }, "image/jpeg", QUALITY);
};
const answer = ({faces, milliseconds}) => {
    const picture = session.sent.shift();
    capture();
    draw(picture, faces);
    const [largest] = faces;
    session.moments.push({time: picture.time, number: largest?.number, probabilities: largest?.probabilities});
    while (session.moments[0].time < picture.time - MEMORY - 1) session.moments.shift();
    drawTimeline();
    session.answers.push({time: now(), taken: Object.values(milliseconds).reduce((sum, each) => sum + each, 0)});
    while (session.answers[0].time < now() - RATE_OVER) session.answers.shift();
    if (now() - session.said < WORDS_EVERY) return;
    session.said = now();
    part("[data-now]").innerHTML = words(largest, faces.length);
    part("[data-pace]").textContent = pace();
};
const pace = () => {
    const {answers, began} = session;
    if (answers.length < 2) return "";
    const rate = (answers.length - 1) / (answers.at(-1).time - answers[0].time);
    const taken = answers.reduce((sum, each) => sum + each.taken, 0) / answers.length;
    const left = Math.max(0, Math.ceil(Number(live.dataset.seconds) - now() + began));
    return `${rate.toFixed(1)} frames per second, ${taken.toFixed(0)} ms each on the server; ${left} s left`;
};
const percent = share => `${Math.round(100 * share)} %`;
const ranked = probabilities => probabilities.map((share, index) => [EMOTIONS[index], share]).sort((one, other) => other[1] - one[1]);
const words = (face, count) => {
    if (!face) return "No face in view.";
    const [[first, share], [second, less]] = ranked(face.probabilities);
    const others = count > 1 ? ` <small>largest of ${count} faces</small>` : "";
    if (share < 0.5) return `<b>Unsure</b> ${first} ${percent(share)} or ${second} ${percent(less)}${others}`;
    return `<b>${first[0].toUpperCase()}${first.slice(1)}</b> ${percent(share)}${others}`;
};

// ---- Drawing ----

const draw = ({shown, scale}, faces) => {
    const {width, height} = shown, context = canvas.getContext("2d"), isMirror = session.isMirror;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    context.save();
    if (isMirror) context.transform(-1, 0, 0, 1, width, 0);
    context.drawImage(shown, 0, 0);
    for (const face of faces) drawFace(context, face, scale, width / 200);
    context.restore();
    for (const face of faces) drawLabel(context, face, scale, isMirror, faces.length > 1);
};
const drawFace = (context, {centre, side, roll, probabilities, maps}, scale, thickness) => {
    const half = scale * side / 2;
    context.save();
    context.translate(scale * centre[0], scale * centre[1]);
    context.rotate(roll * Math.PI / 180);
    if (maps[kind]) layMap(context, {...maps[kind], values: bytesOf(maps[kind].values)}, 0, 2 * half);
    for (const [colour, width] of [["#0009", 1.6 * thickness], [COLOURS[answerAt(probabilities, 0)], thickness]]) {
        [context.strokeStyle, context.lineWidth] = [colour, width];
        context.strokeRect(-half, -half, 2 * half, 2 * half);
    }
    context.restore();
};
const drawLabel = (context, {centre, side, roll, number, probabilities}, scale, isMirror, isNumbered) => {
    const size = Math.max(14, canvas.width / 32), index = answerAt(probabilities, 0);
    const text = `${isNumbered ? `${number}: ` : ""}${EMOTIONS[index]} ${percent(probabilities[index])}`;
    const turn = roll * Math.PI / 180, reach = scale * side / 2 * (Math.abs(Math.cos(turn)) + Math.abs(Math.sin(turn)));
    context.font = `600 ${size}px ${getComputedStyle(live).fontFamily}`;
    const width = context.measureText(text).width + size * 0.8, height = size * 1.5;
    const middle = isMirror ? canvas.width - scale * centre[0] : scale * centre[0];
    const left = Math.min(Math.max(0, middle - reach), canvas.width - width), top = Math.max(0, scale * centre[1] - reach - height);
    context.fillStyle = "#111d";
    context.fillRect(left, top, width, height);
    context.fillStyle = "white";
    context.textBaseline = "middle";
    context.fillText(text, left + size * 0.4, top + height / 2);
};

// A column for each moment, as wide as the time to the next one; a gap where another face becomes the largest.
const drawTimeline = () => {
    const {moments} = session, last = moments.at(-1).time, to = isStill ? Math.ceil(last) : last;
    const times = [], ends = [], shares = [];
    moments.forEach(({time, number, probabilities}, index) => {
        if (!probabilities) return;
        const next = moments[index + 1], isOther = next?.probabilities && next.number !== number;
        times.push(time);
        ends.push((next?.time ?? time) - (isOther ? GAP : 0));
        shares.push(...probabilities);
    });
    drawStrip(strip, {times, ends, shares}, to - MEMORY, to);
};

// ---- What can be chosen ----

const tellModel = () => {
    if (session?.socket?.readyState === WebSocket.OPEN) session.socket.send(JSON.stringify({model: part("[data-live-model]").value}));
};
const mark = () => {
    const hasAttention = "attention" in part("[data-live-model]").selectedOptions[0].dataset;
    part("[data-map=attention]").disabled = !hasAttention;
    if (kind === "attention" && !hasAttention) kind = "heat";
    for (const button of live.querySelectorAll("[data-map]")) button.setAttribute("aria-pressed", button.dataset.map === kind);
};
live.addEventListener("change", event => {
    if (!event.target.matches("[data-live-model]")) return;
    mark();
    tellModel();
});
live.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("start" in button.dataset) start();
    if ("stop" in button.dataset) end("The camera is off.");
    if ("map" in button.dataset) { kind = button.dataset.map; mark(); }
});
mark();

new ResizeObserver(() => { if (!live.offsetParent) leave(); }).observe(live);
document.addEventListener("visibilitychange", () => { if (document.hidden) leave(); });
window.addEventListener("pagehide", leave);
