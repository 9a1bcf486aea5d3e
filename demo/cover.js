// Paints cells of the canvas over the face, and sends all painted cells to the server when the brush is lifted.
const cells = new Set();
let face = "";
const canvas = () => element.querySelector("canvas");
const dab = (column, row) => {
    if (column < 0 || row < 0 || column >= 48 || row >= 48) return;
    cells.add(48 * row + column);
    const context = canvas().getContext("2d");
    context.fillStyle = canvas().dataset.grey;
    context.fillRect(column, row, 1, 1);
};
const brush = event => {
    const box = event.target.getBoundingClientRect();
    const column = Math.floor(48 * (event.clientX - box.left) / box.width);
    const row = Math.floor(48 * (event.clientY - box.top) / box.height);
    for (let x = -2; x <= 2; x++) for (let y = -2; y <= 2; y++)
        if (x * x + y * y <= 5) dab(column + x, row + y);
};
const uncover = () => {
    cells.clear();
    canvas()?.getContext("2d").clearRect(0, 0, 48, 48);
};
const tell = () => document.dispatchEvent(new CustomEvent("fer-lens:cover", {detail: [...cells]}));
// Gradio keeps the canvas, with its paint, when another face comes.
watch("value", () => {
    const shown = element.querySelector(".canvas")?.style.backgroundImage ?? "";
    if (shown !== face) {
        uncover();
        tell();  // what covering the face before has changed goes, too
    }
    face = shown;
});
element.addEventListener("pointerdown", event => {
    if (!event.target.matches("canvas")) return;
    event.target.setPointerCapture(event.pointerId);
    brush(event);
});
element.addEventListener("pointermove", event => {
    if (event.target.matches("canvas") && event.buttons) brush(event);
});
element.addEventListener("pointerup", event => {
    if (event.target.matches("canvas")) tell();
});
element.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.cells) for (const cell of JSON.parse(button.dataset.cells)) dab(cell % 48, Math.floor(cell / 48));
    else uncover();
    tell();
});
