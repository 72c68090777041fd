// Search across words. All of the text is put together once, with where each word begins in it.

const query = document.getElementById("query");
const count = document.getElementById("count");
const searched = { text: "", starts: [] };
let matches = [];
let current = -1;

function prepare() {
  let last = null;
  for (const word of page.words) {
    const paragraph = word.parentElement;
    const isApart = word.previousSibling?.nodeType === Node.TEXT_NODE;
    if (last && (isApart || paragraph !== last)) searched.text += " ";
    searched.starts.push({ start: searched.text.length });
    // Lower case may be longer; what matters is that all of it is searched as it is written down here.
    searched.text += word.textContent.toLowerCase();
    last = paragraph;
  }
}

function find(text) {
  if (!searched.starts.length) prepare();
  const wanted = text.toLowerCase().trim().replace(/\s+/g, " ");
  const found = [];
  for (let at = wanted ? searched.text.indexOf(wanted) : -1; at >= 0; at = searched.text.indexOf(wanted, at + wanted.length)) {
    found.push([lastAt(searched.starts, at), lastAt(searched.starts, at + wanted.length - 1)]);
  }
  return found;
}

function wordsOf([first, last]) {
  return page.words.slice(first, last + 1);
}

function mark() {
  for (const word of document.querySelectorAll(".hit")) word.classList.remove("hit", "current-hit");
  for (const match of matches) for (const word of wordsOf(match)) word.classList.add("hit");
}

function go(to) {
  for (const word of document.querySelectorAll(".current-hit")) word.classList.remove("current-hit");
  if (!matches.length) {
    count.textContent = query.value.trim() ? "no match" : "";
    return;
  }
  current = (to + matches.length) % matches.length;
  const words = wordsOf(matches[current]);
  for (const word of words) word.classList.add("current-hit");
  follow.checked = false;
  reveal(words[0]);
  count.textContent = `${current + 1} of ${matches.length}`;
}

query.addEventListener("input", () => {
  matches = find(query.value);
  mark();
  go(0);
});
query.addEventListener("keydown", (event) => {
  if (event.key === "Enter") go(current + (event.shiftKey ? -1 : 1));
  if (event.key === "Escape") {
    query.value = "";
    query.dispatchEvent(new Event("input"));
    query.blur();
  }
});
document.getElementById("next").addEventListener("click", () => go(current + 1));
document.getElementById("previous").addEventListener("click", () => go(current - 1));
