if (location.protocol === "file:") addEventListener("DOMContentLoaded", () => {
  const note = document.createElement("p");
  note.setAttribute("role", "alert");
  note.textContent = document.querySelector("meta[name=file-note]").content;
  document.body.prepend(note);
});