// Keys. Of all words one can be reached by Tab, and arrows go on from there.

const STEP_S = 5;
const dialog = document.getElementById("keys");
let cursor = page.words[0];
if (cursor) cursor.tabIndex = 0;

function moveTo(word) {
  if (!word) return;
  cursor.tabIndex = -1;
  cursor = word;
  cursor.tabIndex = 0;
  cursor.focus();
}

function toParagraph(step) {
  if (!page.paragraphs.length) return;
  const starts = page.paragraphs.map((paragraph) => Number(paragraph.querySelector(".at").dataset.at));
  const time = page.audio.currentTime;
  const here = starts.findLastIndex((start) => start <= time + 0.01);
  const to = Math.min(Math.max(0, here + step), starts.length - 1);
  seek(starts[to]);
  reveal(page.paragraphs[to]);
}

function togglePlay() {
  if (!page.audio.src) return;
  if (page.audio.paused) page.audio.play().catch(() => {});
  else page.audio.pause();
}

page.transcript.addEventListener("keydown", (event) => {
  if (!event.target.classList.contains("w")) return;
  const at = page.words.indexOf(event.target);
  const isLeft = page.transcript.dir === "rtl" ? "ArrowRight" : "ArrowLeft";
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") moveTo(page.words[at + (event.key === isLeft ? -1 : 1)]);
  else if (event.key === "Enter") seek(Number(event.target.dataset.t.split(" ")[0]), { play: true });
  else return;
  event.preventDefault();
  event.stopPropagation();
});
page.transcript.addEventListener("focusin", (event) => {
  if (event.target.classList.contains("w") && event.target !== cursor) moveTo(event.target);
});

const KEYS = {
  " ": togglePlay,
  ArrowLeft: () => seek(page.audio.currentTime - STEP_S),
  ArrowRight: () => seek(page.audio.currentTime + STEP_S),
  j: () => toParagraph(1),
  k: () => toParagraph(-1),
  "/": () => query.focus(),
  "?": () => dialog.showModal(),
};

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=checkbox]), textarea, select, dialog");
  const isPressed = event.key === " " && event.target.closest("button, audio, input");
  if (isTyping || isPressed || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === page.audio && event.key.startsWith("Arrow")) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
document.getElementById("help").addEventListener("click", () => dialog.showModal());
