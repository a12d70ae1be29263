// Replaces [data-live] with what its address answers, every four seconds while the tab is seen.
const EVERY_MS = 4000;
const region = document.querySelector("[data-live]");
let etag = null;
let isBusy = false;

async function refresh() {
  if (isBusy || document.hidden || region.contains(document.activeElement)) return;
  isBusy = true;
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(region.dataset.live, { headers, redirect: "manual" });
    if (answer.status === 200) {
      etag = answer.headers.get("ETag");
      region.innerHTML = await answer.text();
    } else if (answer.type === "opaqueredirect") {
      location.reload(); // the session ended
    }
  } catch {
    // The api restarts: the next round finds it.
  } finally {
    isBusy = false;
  }
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
