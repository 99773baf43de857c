// The search box finds while somebody types. Without this file the form is sent with Enter, as any other.
// What is typed goes out in the body of a request, never in an address; of two answers only the newer one is shown.
(() => {
  const PAUSE_MS = 200, SHORTEST = 2;
  const box = document.getElementById("search"), list = document.getElementById("found"), said = document.getElementById("found-said");
  if (!box || !list) return;
  let timer = null, asking = null, asked = "";
  const options = () => [...list.querySelectorAll("[role=option]")];
  const chosen = () => list.querySelector("[aria-selected=true]");

  // A list of suggestions belongs to a field of text; the keyboard of a phone still says "search".
  box.type = "text";
  box.setAttribute("enterkeyhint", "search");
  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  box.setAttribute("aria-expanded", "false");

  const choose = (option) => {
    for (const one of options()) one.setAttribute("aria-selected", String(one === option));
    if (option) { box.setAttribute("aria-activedescendant", option.id); option.scrollIntoView({ block: "nearest" }); }
    else box.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    clearTimeout(timer); if (asking) asking.abort();
    asked = ""; list.hidden = true; box.setAttribute("aria-expanded", "false"); choose(null);
  };
  const open = (option) => {
    if (option.dataset.href) location.assign(option.dataset.href);
    else box.form.requestSubmit();
  };
  const show = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("ul");
    if (!fresh) return close();
    list.replaceChildren(...fresh.children);
    said.textContent = fresh.dataset.said;
    list.hidden = !list.children.length;
    box.setAttribute("aria-expanded", String(!list.hidden));
    choose(null);
  };
  const ask = async () => {
    const text = box.value.trim();
    if (text.length < SHORTEST) { said.textContent = ""; return close(); }
    if (text === asked) return;
    if (asking) asking.abort();
    asking = new AbortController(); asked = text;
    try {
      const answer = await fetch(list.dataset.ask, { method: "POST", body: new URLSearchParams({ q: text }), signal: asking.signal, headers: { accept: "text/html" } });
      if (answer.ok && document.activeElement === box) show(await answer.text());
    } catch { /* Another letter came, or the line is cut: Enter still asks. */ }
  };

  box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, PAUSE_MS); });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const all = options(), at = all.indexOf(chosen());
    if (["ArrowDown", "ArrowUp"].includes(event.key) && !list.hidden && all.length) {
      event.preventDefault();
      // Beyond either end stands the box itself.
      const next = event.key === "ArrowDown" ? at + 1 : (at < 0 ? all.length : at) - 1;
      choose(all[next] || null);
    } else if (event.key === "Enter" && chosen()) { event.preventDefault(); open(chosen()); }
    else if (event.key === "Enter") close();
    else if (event.key === "Escape" && !list.hidden) { event.preventDefault(); event.stopPropagation(); close(); }
  });
  // The box keeps the focus while something in the list is pressed.
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => { const option = event.target.closest("[role=option]"); if (option) open(option); });
  box.addEventListener("blur", close);
})();
