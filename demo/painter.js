// Paints cells of the canvas over the face, and sends all painted cells to the server when the brush is lifted.
// The set of cells lives on the canvas, so a new face comes with an empty one.
const dab = (canvas, column, row) => {
    if (column < 0 || row < 0 || column >= 48 || row >= 48) return;
    canvas.cells = canvas.cells ?? new Set();
    canvas.cells.add(48 * row + column);
    const context = canvas.getContext("2d");
    context.fillStyle = canvas.dataset.grey;
    context.fillRect(column, row, 1, 1);
};
const brush = event => {
    const box = event.target.getBoundingClientRect();
    const column = Math.floor(48 * (event.clientX - box.left) / box.width);
    const row = Math.floor(48 * (event.clientY - box.top) / box.height);
    for (let x = -2; x <= 2; x++) for (let y = -2; y <= 2; y++)
        if (x * x + y * y <= 5) dab(event.target, column + x, row + y);
};
const tell = canvas => trigger("select", {index: [...(canvas.cells ?? [])]});
element.addEventListener("pointerdown", event => {
    if (!event.target.matches("canvas")) return;
    event.target.setPointerCapture(event.pointerId);
    brush(event);
});
element.addEventListener("pointermove", event => {
    if (event.target.matches("canvas") && event.buttons) brush(event);
});
element.addEventListener("pointerup", event => {
    if (event.target.matches("canvas")) tell(event.target);
});
element.addEventListener("click", event => {
    const button = event.target.closest("button"), canvas = element.querySelector("canvas");
    if (!button || !canvas) return;
    if (button.dataset.cells) {
        for (const cell of JSON.parse(button.dataset.cells)) dab(canvas, cell % 48, Math.floor(cell / 48));
    } else {
        canvas.cells = new Set();
        canvas.getContext("2d").clearRect(0, 0, 48, 48);
    }
    tell(canvas);
});
