// The transcript as files, with the names that speakers have now.

function timestamp(seconds, mark) {
  const all = Math.round(seconds * 1000);
  const parts = [Math.floor(all / 3600000), Math.floor(all / 60000) % 60, Math.floor(all / 1000) % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":") + mark + String(all % 1000).padStart(3, "0");
}

function asText() {
  const blocks = page.paragraphs.map((paragraph) => {
    const head = paragraph.querySelector(".name")?.textContent;
    const time = paragraph.querySelector(".at").textContent;
    return `[${time}] ${head ? `${head}: ` : ""}${paragraph.querySelector("p").textContent.trim()}`;
  });
  return blocks.join("\n\n") + "\n";
}

function asSrt() {
  return page.data.cues
    .map(([start, end, speaker, text], number) => {
      const said = [speaker && nameOf(speaker), text].filter(Boolean).join(": ");
      return `${number + 1}\n${timestamp(start, ",")} --> ${timestamp(end, ",")}\n${said}\n`;
    })
    .join("\n");
}

function asVtt() {
  const safe = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const cues = page.data.cues.map(([start, end, speaker, text]) => {
    const voice = speaker ? `<v ${safe(nameOf(speaker))}>` : "";
    return `${timestamp(start, ".")} --> ${timestamp(end, ".")}\n${voice}${safe(text || nameOf(speaker))}\n`;
  });
  return ["WEBVTT\n", ...cues].join("\n");
}

function asJson() {
  const renamed = (value) => {
    if (Array.isArray(value)) return value.map(renamed);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        if (key === "speaker" && typeof inner === "string") return [key, nameOf(inner)];
        if (key === "speaker_embeddings" || key === "known_speakers") {
          return [key, Object.fromEntries(Object.entries(inner).map(([label, of]) => [nameOf(label), of]))];
        }
        return [key, renamed(inner)];
      }),
    );
  };
  return JSON.stringify(renamed(page.data.result), null, 2) + "\n";
}

const WRITERS = { txt: asText, srt: asSrt, vtt: asVtt, json: asJson };
const exported = document.getElementById("exported");

function save(kind) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([WRITERS[kind]()], { type: "text/plain;charset=utf-8" }));
  link.download = `${page.data.title.replace(/[\\/:*?"<>|\u0000-\u001f]/g, "_")}.${kind}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  exported.textContent = `saved as ${link.download}`;
}

async function copy() {
  try {
    await navigator.clipboard.writeText(asText());
    exported.textContent = "copied";
  } catch {
    exported.textContent = "the browser does not allow it";
  }
}

for (const button of document.querySelectorAll("[data-export]")) {
  const kind = button.dataset.export;
  button.addEventListener("click", () => (kind === "copy" ? copy() : save(kind)));
}
