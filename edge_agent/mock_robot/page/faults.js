/** The fault buttons: what can go wrong with the dog, switched on and off by a press. */

import { words } from "./words.js";

const byId = (id) => document.getElementById(id);

/** Shows the faults that the mock lists and sends each press; `call` reaches the mock. */
export class FaultPanel {
  constructor(call) {
    this.call = call;
    this.entries = [];
    this.items = new Map();
    byId("clear").addEventListener("click", () => this.#send("DELETE", undefined));
  }

  /** Take the faults as they are now; the buttons are made once and then kept, for the focus. */
  take(entries) {
    this.entries = entries;
    for (const entry of entries) {
      if (!this.items.has(entry.fault)) this.items.set(entry.fault, this.#add(entry));
    }
    this.show();
  }

  show() {
    for (const entry of this.entries) {
      const { button, label, text, input, unit } = this.items.get(entry.fault);
      button.setAttribute("aria-pressed", String(entry.on));
      label.textContent = words().fault[entry.fault] || entry.fault.replaceAll("_", " ");
      text.textContent = entry.on ? "●" : "○";
      button.title = words().explained[entry.fault] || entry.description;
      if (!input) continue;
      unit.textContent = words().units[input.name] ?? input.name;
      input.setAttribute("aria-label", `${label.textContent}, ${unit.textContent || input.name}`);
      if (document.activeElement !== input && entry.on) input.value = entry.parameters[input.name];
    }
    byId("clear").disabled = !this.entries.some((entry) => entry.on);
  }

  #add(entry) {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const label = document.createElement("span");
    const text = document.createElement("span");
    button.type = "button";
    button.id = `fault-${entry.fault}`;
    text.className = "switch";
    text.ariaHidden = "true"; // aria-pressed says it
    button.append(text, label);
    item.append(button);
    const [input, unit] = this.#addParameter(item, entry);
    byId("fault-list").append(item);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      this.#send("POST", { fault: entry.fault, on, ...this.#parameters(entry.fault) });
    });
    return { button, label, text, input, unit };
  }

  /** A field for the fault's first number, where it has one. */
  #addParameter(item, entry) {
    const found = Object.entries(entry.parameters).find(([, value]) => typeof value === "number");
    if (!found) return [null, null];
    const box = document.createElement("label");
    const input = document.createElement("input");
    const unit = document.createElement("span");
    [input.name, input.value] = found;
    input.type = "number";
    input.step = "any";
    input.inputMode = "decimal";
    box.append(input, unit);
    item.append(box);
    return [input, unit];
  }

  #parameters(fault) {
    const { input } = this.items.get(fault);
    return input ? { [input.name]: input.valueAsNumber } : {};
  }

  async #send(method, wish) {
    const trouble = byId("trouble");
    trouble.textContent = "";
    try {
      await this.call("/faults", { method, ...(wish ? { body: JSON.stringify(wish) } : {}) });
      this.take((await this.call("/faults")).faults);
    } catch (error) {
      trouble.textContent = error instanceof TypeError ? words().link.lost : error.message;
    }
  }
}
