// Tabs after the pattern of WAI-ARIA: one of them is in the tab order, arrows, Home and End
// move between them.

export class Tabs {
  constructor(list, choose) {
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    for (const tab of this.tabs) tab.addEventListener("click", () => choose(view(tab)));
    list.addEventListener("keydown", (e) => {
      const i = this.tabs.indexOf(document.activeElement), n = this.tabs.length;
      const to = { ArrowRight: (i + 1) % n, ArrowLeft: (i + n - 1) % n, Home: 0, End: n - 1 }[e.key];
      if (to === undefined) return;
      e.preventDefault();
      this.tabs[to].focus();
      choose(view(this.tabs[to]));
    });
  }

  show(chosen) {
    for (const tab of this.tabs) {
      const on = view(tab) === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
    }
  }
}

const view = (tab) => tab.id.replace("tab-", "");
