"use strict";

// What the page shows, as the other parts of the script use it.

const page = {
  data: JSON.parse(document.getElementById("data").textContent),
  audio: document.querySelector("audio"),
  transcript: document.getElementById("transcript"),
  words: [...document.querySelectorAll(".w")],
  paragraphs: [...document.querySelectorAll(".said")],
};

// Words in the order of their times, since a transcript may go back in time.
page.timed = page.words
  .map((element) => {
    const [start, end] = element.dataset.t.split(" ").map(Number);
    return { element, start, end };
  })
  .sort((one, other) => one.start - other.start);

/** Return the index of the last item that begins at `time` or before it, or -1. */
function lastAt(items, time) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [hours, minutes, second] = parts.map((part) => String(part).padStart(2, "0"));
  return parts[0] ? `${parts[0]}:${minutes}:${second}` : `${parts[1]}:${second}`;
}

/** Scroll an element into view. */
function reveal(element) {
  element.scrollIntoView({ block: "center" });
  // What was out of sight has only now got its true height, and may have pushed the element away.
  requestAnimationFrame(() => element.scrollIntoView({ block: "center" }));
}

document.querySelector(".for-words").hidden = page.words.length === 0;
document.body.classList.add("show-marks");
document.getElementById("marks").addEventListener("change", (event) => {
  document.body.classList.toggle("show-marks", event.target.checked);
});
