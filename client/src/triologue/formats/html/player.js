// The player, the timeline, and the word that is being said.

const FAR_S = 0.4; // A word stays lit for so long behind its end, unless another begins.

const timeline = document.getElementById("timeline");
const playhead = timeline.querySelector(".playhead");
const follow = document.getElementById("follow");
let lit = null;

function seek(seconds, { play = false } = {}) {
  page.audio.currentTime = Math.min(Math.max(0, seconds), page.data.duration);
  showTime();
  if (play && page.audio.src) page.audio.play().catch(() => {});
}

function wordAt(time) {
  const found = page.timed[lastAt(page.timed, time)];
  return found && time <= found.end + FAR_S ? found.element : null;
}

function light(element) {
  if (element === lit) return;
  lit?.classList.remove("now");
  element?.classList.add("now");
  const paragraph = element?.closest(".said");
  if (paragraph && follow.checked && !page.audio.paused && paragraph !== lit?.closest(".said")) {
    reveal(paragraph);
  }
  lit = element;
}

function showTime() {
  const time = page.audio.currentTime;
  light(wordAt(time));
  const share = page.data.duration ? Math.min(1, time / page.data.duration) : 0;
  const { left, width } = lanes();
  playhead.style.left = `${left + share * width}px`;
  timeline.setAttribute("aria-valuenow", String(Math.round(time)));
  timeline.setAttribute("aria-valuetext", `${clock(time)} of ${clock(page.data.duration)}`);
}

function lanes() {
  const lane = timeline.querySelector("svg");
  if (!lane) return { left: 0, width: 0 };
  const own = lane.getBoundingClientRect();
  return { left: own.left - timeline.getBoundingClientRect().left, width: own.width };
}

function everyFrame() {
  showTime();
  if (!page.audio.paused) requestAnimationFrame(everyFrame);
}

function seekByPointer(event) {
  const { left, width } = lanes();
  const x = event.clientX - timeline.getBoundingClientRect().left - left;
  if (width) seek((Math.min(Math.max(0, x), width) / width) * page.data.duration);
}

timeline.hidden = !timeline.querySelector(".lane");
timeline.setAttribute("aria-valuemax", String(Math.round(page.data.duration)));
timeline.addEventListener("pointerdown", (event) => {
  timeline.setPointerCapture(event.pointerId);
  seekByPointer(event);
});
timeline.addEventListener("pointermove", (event) => {
  if (timeline.hasPointerCapture(event.pointerId)) seekByPointer(event);
});
page.audio.addEventListener("play", everyFrame);
for (const name of ["timeupdate", "seeked", "loadedmetadata"]) page.audio.addEventListener(name, showTime);
window.addEventListener("resize", showTime);

// Whoever scrolls wants to read elsewhere.
for (const name of ["wheel", "touchmove"]) {
  window.addEventListener(name, () => { if (!page.audio.paused) follow.checked = false; }, { passive: true });
}

page.transcript.addEventListener("click", (event) => {
  const word = event.target.closest(".w");
  const at = event.target.closest(".at");
  if (word && !String(getSelection())) seek(Number(word.dataset.t.split(" ")[0]), { play: !page.audio.paused });
  if (!at) return;
  seek(Number(at.dataset.at), { play: true });
  // After a click, Space is for pausing, and not for the button once more; keys keep it.
  if (event.detail) at.blur();
});

const choose = document.querySelector(".choose");
choose.hidden = page.audio.hasAttribute("src");
page.audio.hidden = !choose.hidden;
document.getElementById("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (!file) return;
  page.audio.src = URL.createObjectURL(file);
  page.audio.hidden = false;
});
showTime();
