// The page in the browser: it holds the view, which is all that is chosen, shows it on the controls and in the address,
// and asks the server for it. The server answers with photo and results together.
//
// While an answer is being made, Gradio keeps the latest choice and drops those between (trigger_mode "always_last").
const DEFAULTS = {example: "OPENING", upload: "", face: null, emotion: "", against: "", method: "METHOD", layer: "last", models: "", number: 0};
const KEYS = ["example", "face", "emotion", "against", "method", "layer", "models"];
const TABS = ["analyse", "clip", "camera", "evaluation", "trust"];
const open = new Set();
let view = {...DEFAULTS}, tab = TABS[0];

// ---- The address ----

const boxes = () => [...document.querySelectorAll("[data-model]")];
const most = () => Number(document.querySelector("[data-most]").dataset.most);
const defaultModels = () => boxes().filter(box => "default" in box.dataset).map(box => box.dataset.model);
// Names of models, separated by commas; "" for the default choice.
const offeredModels = text => {
    if (!boxes().length) return "";
    const names = boxes().map(box => box.dataset.model).filter(name => text.split(",").includes(name)).slice(0, most());
    return names.join(",") === defaultModels().join(",") ? "" : names.join(",");
};

// Whatever the page does not offer counts as not asked for.
const isOffered = (key, value) => {
    if (key === "face") return value === "whole" || /^[1-9]\d{0,2}$/.test(value);
    const quoted = `"${CSS.escape(value)}"`;
    return document.querySelector(
        key === "example" ? `[data-example=${quoted}]` : `[data-set=${key}][data-value=${quoted}], [data-set=${key}] option[value=${quoted}]`
    );
};
const readAddress = () => {
    const query = new URLSearchParams(window.location.search);
    const asked = {};
    for (const key of KEYS) if (query.get(key) && isOffered(key, query.get(key))) asked[key] = query.get(key);
    if (query.get("models")) asked.models = offeredModels(query.get("models"));
    if ("face" in asked) asked.face = asked.face === "whole" ? -1 : asked.face - 1;
    return [asked, TABS.includes(query.get("tab")) ? query.get("tab") : TABS[0]];
};
const writeAddress = () => {
    const query = new URLSearchParams(window.location.search);
    for (const key of KEYS) {
        const isShared = !(view.upload && ["example", "face"].includes(key));  // nobody else can open an upload
        const value = key === "face" && view.face !== null ? (view.face < 0 ? "whole" : view.face + 1) : view[key];
        if (isShared && value && value !== DEFAULTS[key]) query.set(key, value); else query.delete(key);
    }
    if (tab === TABS[0]) query.delete("tab"); else query.set("tab", tab);
    const text = query.toString();
    // With the path, because Gradio's page has a base.
    history.replaceState(null, "", window.location.pathname + (text ? `?${text}` : ""));
    // On a Space the page is in a frame: its address is that of the page around it.
    if (window.parent !== window) window.parent.postMessage({queryString: text}, "https://huggingface.co");
};

// ---- The view ----

const mark = () => {
    const pressed = (selector, isChosen) => {
        for (const button of document.querySelectorAll(selector)) button.setAttribute("aria-pressed", isChosen(button.dataset));
    };
    pressed("[data-example]", data => !view.upload && data.example === view.example);
    pressed("[data-set=emotion]", data => data.value === view.emotion);
    if (view.face !== null) pressed("#photo [data-face]", data => Number(data.face) === view.face);
    for (const list of document.querySelectorAll("select[data-set]")) list.value = view[list.dataset.set];
    const against = document.querySelector("[data-set=against]");
    markModels();
    against.disabled = !(["gradcam", "hirescam"].includes(view.method) && ["last", "stage"].includes(view.layer));
    for (const option of against.options) option.disabled = option.value !== "" && option.value === view.emotion;
};
const markModels = () => {
    if (!boxes().length) return;
    const names = view.models ? view.models.split(",") : defaultModels();
    document.querySelector("[data-most]").textContent = `Models: ${names.length} of ${boxes().length}`;
    for (const box of boxes()) {
        box.checked = names.includes(box.dataset.model);
        box.disabled = box.checked ? names.length === 1 : names.length >= most();
    }
};
const chooseModels = () => ask({models: offeredModels(boxes().filter(box => box.checked).map(box => box.dataset.model).join(","))});
const ask = changes => {
    view = {...view, ...changes, number: view.number + 1};
    mark();
    writeAddress();
    document.querySelector("#results").setAttribute("aria-busy", "true");
    props.value = view;
    trigger("select");
};
document.addEventListener("fer-lens:ask", event => ask(event.detail));

// Tabs that do not fit beside the others stand in a menu. A tab's first word is its name in the address.
const TAB_BUTTONS = "#tabs [role=tab], #tabs .overflow-dropdown button";
const tabName = button => button.textContent.trim().split(" ")[0].toLowerCase();

document.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    const {example, face, set, value} = button.dataset;
    if (example) {
        ask({example, upload: "", face: null});
        const isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
        if (window.innerWidth < 800) document.querySelector("#results").scrollIntoView({behavior: isStill ? "auto" : "smooth"});
    }
    if (face !== undefined) ask({face: Number(face)});
    if (set) ask({[set]: value});
    if (button.dataset.download) document.dispatchEvent(new CustomEvent("fer-lens:download", {detail: button.dataset.download}));
    if (button.matches(TAB_BUTTONS) && TABS.includes(tabName(button))) { tab = tabName(button); writeAddress(); }
});
document.addEventListener("change", event => {
    if (event.target.matches("select[data-set]")) ask({[event.target.dataset.set]: event.target.value});
    if (event.target.matches("[data-model]")) chooseModels();
});
document.addEventListener("input", event => {
    if (event.target.matches("[data-opacity]"))
        document.documentElement.style.setProperty("--heat-opacity", event.target.value / 100);
});

// ---- What new results need ----

// Screen readers read what is written into a place that was there before.
const say = text => { if (text) document.querySelector("#announcer").textContent = text; };
document.addEventListener("fer-lens:say", event => say(event.detail));

// Gradio writes new HTML over the old, which closes what was open.
document.addEventListener("toggle", event => {
    const name = event.target.dataset?.name;
    if (!name) return;
    if (event.target.open) open.add(name); else if (event.target.isConnected) open.delete(name);
}, true);
document.addEventListener("fer-lens:results", () => {
    for (const name of [...open]) document.querySelector(`#results details[data-name=${name}]`)?.setAttribute("open", "");
    // An answer to an earlier choice is on its way when the next one is made: the page goes on waiting.
    const answers = Number(document.querySelector("#results [data-answers]").dataset.answers);
    if (answers < view.number) mark();
    else if (!document.querySelector("#results [data-waiting]")) {
        document.querySelector("#results").removeAttribute("aria-busy");
        if (view.face > 0 && !document.querySelector(`.face-box[data-face="${view.face}"]`)) {  // there are not so many
            view = {...view, face: null};
            writeAddress();
        }
    }
    say(document.querySelector("#results :is(.verdict h2, .hint, .problem)")?.textContent);
});

document.addEventListener("fer-lens:failed", () => document.querySelector("#results").removeAttribute("aria-busy"));

// ---- The start ----

const start = () => {
    const [asked, askedTab] = readAddress();
    if (askedTab !== TABS[0]) [...document.querySelectorAll(TAB_BUTTONS)].find(button => tabName(button) === askedTab)?.click();
    if (Object.keys(asked).some(key => asked[key] !== DEFAULTS[key])) ask(asked);
    else { mark(); writeAddress(); }
};
const isThere = () => ["#tabs [role=tab]", "[data-example]", ".controls", "#results"].every(part => document.querySelector(part));
const wait = () => isThere() ? start() : requestAnimationFrame(wait);
wait();
