// Chooses home or experiment before anything is shown.
document.documentElement.dataset.page = /^#\/[^?]/.test(location.hash) ? "experiment" : "home";

// Says why the page does not start, if its modules cannot be loaded.
addEventListener("error", ({ target }) => target.matches?.("script[src='main.js']") && whenParsed(showFailure), true);

function whenParsed(action) {
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", action);
  else action();
}

function showFailure() {
  const cause =
    location.protocol === "file:" ? "browsers load no modules from a file. To serve the page: cargo run -p native -- serve"
    : self.origin === "null" ? "it is in a sandboxed frame. Open it in a tab of its own"
    : "one of its files is missing, or the server cannot be reached. Reload to try again";
  const notice = document.createElement("p");
  notice.className = "notice";
  notice.role = "alert";
  notice.textContent = `Highwater could not start: ${cause}.`;
  for (const id of ["title", "status"]) document.getElementById(id).textContent = "Highwater could not start";
  document.querySelector("header").after(notice);
}
