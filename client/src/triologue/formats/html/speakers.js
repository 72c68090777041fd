// What speakers are called. Names are kept in the page alone, and go into what is exported.

const names = [...page.data.speakers];

function rename(speaker, name) {
  names[speaker] = name.trim() || page.data.speakers[speaker];
  for (const element of document.querySelectorAll(`.name[data-speaker="${speaker}"]`)) {
    element.textContent = names[speaker];
  }
}

/** Return what a speaker is called now. */
function nameOf(label) {
  const speaker = page.data.speakers.indexOf(label);
  return speaker < 0 ? label : names[speaker];
}

for (const field of document.querySelectorAll(".rename")) {
  field.addEventListener("input", () => rename(Number(field.dataset.speaker), field.value));
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") field.blur(); });
  field.addEventListener("blur", () => { field.value = names[Number(field.dataset.speaker)]; });
}
