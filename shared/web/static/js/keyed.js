// The swap "keyed": what others change appears in place. Elements with the same data-key are kept when nothing about
// them changed, replaced when something did, and moved when their place did. Two things never happen to a reader:
// the focus is not stolen, and nothing above or under the pointer moves; what is new waits below it until it leaves.
(() => {
  const same = (a, b) => a.isEqualNode(b);
  let arrivals = [];
  let changed = [];
  let missed = false;

  const reconcile = (old, fresh) => {
    const known = new Map();
    for (const child of old.children) if (child.dataset.key) known.set(child.dataset.key, child);
    const wanted = [];
    for (const child of [...fresh.children]) {
      const match = child.dataset.key && known.get(child.dataset.key);
      if (child.dataset.same !== undefined) {
        // Only named: it is as it was. One that is not here was missed.
        if (match) { known.delete(child.dataset.key); wanted.push(match); } else missed = true;
      } else if (match) { known.delete(child.dataset.key); wanted.push(update(match, child)); }
      else { wanted.push(child); changed.push(child); if (child.dataset.key) arrivals.push(child); }
    }
    arrange(old, wanted);
  };

  const update = (old, fresh) => {
    old.classList.remove("arrived");
    if (!old.className) old.removeAttribute("class");
    // It loads by itself (`data-keep`), waits for an undo, or a person is typing in it: leave it alone, it is renewed with the next change.
    if (same(old, fresh) || old.dataset.waiting !== undefined || old.dataset.keep !== undefined) return old;
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    if (old.dataset.list === undefined && (focus && focus.matches("input, textarea, select") || begun(old))) return old;
    attributes(old, fresh);
    if (old.dataset.list !== undefined) reconcile(old, fresh);
    else { refill(old, fresh, focus); changed.push(old); }
    return old;
  };

  // Something was written, ticked or chosen in it and not sent yet.
  const begun = (it) => [...it.querySelectorAll("input:not([type=hidden]), textarea, select")].some((field) => {
    if (field.matches("select")) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected));
    return field.matches("[type=checkbox], [type=radio]") ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
  });

  // The element itself stays, so that what is under the pointer is still under it; the focus goes to its like.
  const refill = (old, fresh, focus) => {
    const name = (it) => it.dataset.focus || it.getAttribute("href") || it.textContent.trim();
    const wanted = focus && focus !== old ? name(focus) : null;
    old.replaceChildren(...fresh.childNodes);
    if (wanted === null) return;
    const again = [...old.querySelectorAll("a, button")].find((it) => name(it) === wanted);
    (again || old.querySelector("a, button") || document.body).focus({ preventScroll: true });
  };

  const attributes = (old, fresh) => {
    // What somebody has opened stays open.
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(name === "open" && old.matches("details"))) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  };

  const arrange = (list, wanted) => {
    const under = [...list.children].find((child) => child.matches(":hover"));
    let order = wanted;
    if (under && wanted.includes(under)) {
      const fixed = [...list.children].slice(0, [...list.children].indexOf(under) + 1).filter((it) => wanted.includes(it));
      order = [...fixed, ...wanted.filter((it) => !fixed.includes(it))];
    }
    for (const child of [...list.children]) if (!order.includes(child)) child.remove();
    order.forEach((child, place) => {
      if (list.children[place] !== child) {
        const focus = child.contains(document.activeElement) ? document.activeElement : null;
        list.insertBefore(child, list.children[place] || null);
        if (focus) focus.focus({ preventScroll: true });
      }
    });
  };

  // The fragment's own numbers, for the navigation: `data-tasks="3"`.
  const tell = (name, count) => {
    for (const place of document.querySelectorAll(`[data-count="${name}"]`)) { place.textContent = count; place.hidden = count === "0"; }
  };

  // A difference between two rounds, "epoch:number", fits what is at least as new as the first of them. What comes too
  // early waits for the whole, which is asked for; what is older than the whole is let go.
  const waiting = [];
  const fits = (round, root) => {
    const [epoch, here] = (round || "").split(":");
    const [[, before], [other, after]] = [root.dataset.before.split(":"), root.dataset.round.split(":")];
    if (epoch !== other) return "stale";
    return Number(after) < Number(here) ? "old" : Number(before) <= Number(here) ? "fits" : "stale";
  };

  const put = (target, root) => {
    missed = false;
    reconcile(target, root);
    if (root.dataset.round) target.dataset.round = root.dataset.round;
    for (const [name, count] of Object.entries(root.dataset)) tell(name, count);
    if (missed) htmx.trigger(target, "stale");
  };

  const difference = (target, root) => {
    const how = fits(target.dataset.round, root);
    if (how === "fits") put(target, root);
    if (how === "stale") { waiting.push(root.cloneNode(true)); waiting.splice(0, waiting.length - 50); htmx.trigger(target, "stale"); }
  };

  htmx.defineExtension("keyed", {
    isInlineSwap: (style) => style === "keyed",
    handleSwap: (style, target, fragment) => {
      if (style !== "keyed") return false;
      arrivals = []; changed = [];
      const root = fragment.firstElementChild;
      if (!root) return [];
      if (root.dataset.before) difference(target, root);
      else {
        put(target, root);
        for (const early of waiting.splice(0)) if (fits(target.dataset.round, early) === "fits") put(target, early);
      }
      for (const it of arrivals) it.classList.add("arrived");
      // htmx begins only what is new. Begun again with each change, the target would have one more listener at the stream
      // each time, and all of them take in whatever comes.
      return changed;
    },
  });
})();
