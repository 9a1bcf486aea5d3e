// Brings a photo of the visitor's own to the server: from a file, the clipboard, the camera, or dropped on the page.
// If several come, the latest wins.
let latest = 0;
const complain = sentence => {
    const place = element.querySelector("[data-problem]");
    if (!place) return;
    place.textContent = sentence;
    place.hidden = !sentence;
};
const send = async file => {
    const mine = ++latest;
    complain("");
    if (file.size > MEGABYTES * 2 ** 20) return complain("TOO_LARGE");
    element.setAttribute("aria-busy", "true");
    try {
        const {path} = await upload(file);
        if (mine === latest)
            document.dispatchEvent(new CustomEvent("fer-lens:ask", {detail: {example: "", upload: path, face: null}}));
    } catch (error) {
        if (mine === latest) complain("The photo could not be sent. Please try again.");
    }
    if (mine === latest) element.removeAttribute("aria-busy");
};
const firstPicture = files => [...files].find(file => file.type.startsWith("image/") || /\.hei[cf]$/i.test(file.name));

element.addEventListener("change", event => {
    if (!event.target.matches("[data-file]") || !event.target.files.length) return;
    send(event.target.files[0]);
    event.target.value = "";  // so that the same file can be chosen again
});
for (const kind of ["dragover", "drop"])
    element.addEventListener(kind, event => {
        event.preventDefault();
        element.classList.toggle("dropping", kind === "dragover");
        if (kind === "drop" && event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
    });
element.addEventListener("dragleave", () => element.classList.remove("dropping"));
document.addEventListener("paste", event => {
    const file = firstPicture(event.clipboardData.files);
    if (file) send(file);
});
const paste = async () => {
    try {
        for (const item of await navigator.clipboard.read()) {
            const kind = item.types.find(type => type.startsWith("image/"));
            if (kind) return send(new File([await item.getType(kind)], "pasted", {type: kind}));
        }
        complain("There is no picture in the clipboard.");
    } catch (error) {
        complain("The browser does not let this page read the clipboard: press Ctrl+V or ⌘V instead.");
    }
};
const photograph = async () => {
    let stream;
    try {
        stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "user"}});
    } catch (error) {
        return complain("There is no camera that this page may use. Allow it in the browser, or choose a file.");
    }
    const dialog = document.createElement("dialog");
    dialog.className = "camera";
    dialog.setAttribute("aria-label", "Camera");
    dialog.innerHTML = '<video autoplay playsinline muted></video>'
        + '<div class="buttons"><button type="button" class="primary" data-take>Take the photo</button><button type="button">Cancel</button></div>';
    const video = dialog.querySelector("video");
    video.srcObject = stream;
    dialog.addEventListener("close", () => { stream.getTracks().forEach(track => track.stop()); dialog.remove(); });
    dialog.addEventListener("click", event => {
        if (!event.target.matches("button")) return;
        if ("take" in event.target.dataset && video.videoWidth) {
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
            canvas.getContext("2d").drawImage(video, 0, 0);
            canvas.toBlob(blob => send(new File([blob], "camera.jpg", {type: "image/jpeg"})), "image/jpeg", 0.95);
        }
        dialog.close();
    });
    document.body.append(dialog);
    dialog.showModal();
};
element.addEventListener("click", event => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("camera" in button.dataset) photograph();
    if ("paste" in button.dataset) paste();
    if ("clear" in button.dataset)
        document.dispatchEvent(new CustomEvent("fer-lens:ask", {detail: {example: "", upload: "", face: null}}));
});
