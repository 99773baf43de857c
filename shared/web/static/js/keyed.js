// The swap "keyed": what others change appears in place. Elements with the same data-key are kept when nothing about
// them changed, replaced when something did, and moved when their place did. Two things never happen to a reader:
// the focus is not stolen, and nothing above or under the pointer moves; what is new waits below it until it leaves.
(() => {
  const same = (a, b) => a.isEqualNode(b);
  let arrivals = [];

  const reconcile = (old, fresh) => {
    const known = new Map();
    for (const child of old.children) if (child.dataset.key) known.set(child.dataset.key, child);
    const wanted = [];
    for (const child of [...fresh.children]) {
      const match = child.dataset.key && known.get(child.dataset.key);
      if (match) { known.delete(child.dataset.key); wanted.push(update(match, child)); }
      else { wanted.push(child); if (child.dataset.key) arrivals.push(child); }
    }
    arrange(old, wanted);
  };

  const update = (old, fresh) => {
    old.classList.remove("arrived"); if (!old.className) old.removeAttribute("class");
    if (same(old, fresh)) return old;
    if (old.dataset.list !== undefined) { reconcile(old, fresh); attributes(old, fresh); return old; }
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    // A person is typing or choosing in it: leave it alone, it is renewed with the next change.
    if (focus && focus.matches("input, textarea, select")) return old;
    if (focus) { attributes(old, fresh); refill(old, fresh, focus); return old; }
    old.replaceWith(fresh);
    return fresh;
  };

  const refill = (old, fresh, focus) => {
    const path = focus === old ? null : focus.dataset.focus || focus.getAttribute("href") || focus.textContent;
    old.replaceChildren(...fresh.childNodes);
    if (path === null) return;
    const again = [...old.querySelectorAll("a, button")].find((it) =>
      (it.dataset.focus || it.getAttribute("href") || it.textContent) === path);
    (again || old.querySelector("a, button") || old).focus({ preventScroll: true });
  };

  const attributes = (old, fresh) => {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
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

  htmx.defineExtension("keyed", {
    isInlineSwap: (style) => style === "keyed",
    handleSwap: (style, target, fragment) => {
      if (style !== "keyed") return false;
      arrivals = [];
      const root = fragment.firstElementChild;
      if (root) { reconcile(target, root); for (const it of arrivals) it.classList.add("arrived"); }
      document.dispatchEvent(new CustomEvent("passage:changed"));
      return [target];
    },
  });
})();
