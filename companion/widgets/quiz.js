// A quiz of native form controls: each question says at once whether the answer is right, and why.
import { fmt, frame, h, uid } from "./controls.js";

// "3,5", "−2", "1e-3", "60 000" and "5/8" are numbers too.
export function parseNumber(text) {
  const plain = text.trim().replace(/[\s\u00a0\u202f]/g, "").replace(/[−–]/g, "-").replace(",", ".");
  const [top, bottom, ...rest] = plain.split("/");
  if (!plain || rest.length || top === "" || bottom === "") return NaN;
  return bottom === undefined ? Number(top) : Number(top) / Number(bottom);
}

export const isRight = (question, given) => question.kind === "choice"
  ? given === question.answer
  : Math.abs(given - question.answer) <= question.tolerance + 1e-12 * Math.abs(question.answer);

function render({ model, el }) {
  const questions = model.get("questions"), solved = questions.map(() => null);
  const score = h("p", { class: "bk-quiz-score", role: "status" });
  const tell = () => {
    const done = solved.filter((v) => v !== null).length, right = solved.filter(Boolean).length;
    score.textContent = done ? `${right} of ${questions.length} right${done < questions.length ? `, ${questions.length - done} to go` : ""}` : `${questions.length} questions`;
  };
  const judge = (n, feedback, given) => {
    const question = questions[n], right = isRight(question, given);
    solved[n] = right;
    feedback.className = `bk-quiz-feedback ${right ? "bk-right" : "bk-wrong"}`;
    const verdict = right ? "✓ Right. " : question.kind === "numeric" ? `✗ Not quite: it is ${fmt(question.answer, 4)}. ` : "✗ Not quite. ";
    feedback.replaceChildren(h("strong", { text: verdict }), question.why);
    tell();
  };
  const items = questions.map((question, n) => {
    const feedback = h("p", { class: "bk-quiz-feedback", role: "status" }), id = uid("quiz");
    const legend = h("legend", { text: `${n + 1}. ${question.question}` });
    if (question.kind === "choice") {
      const options = question.options.map((text, k) => h("label", { class: "bk-quiz-option" },
        h("input", { type: "radio", name: id, value: k, onchange: () => judge(n, feedback, k) }), h("span", { text })));
      return h("li", {}, h("fieldset", {}, legend, ...options, feedback));
    }
    const input = h("input", { id, type: "text", inputmode: "decimal", size: 10, autocomplete: "off", "aria-label": `Your answer to: ${question.question}` });
    const check = (event) => {
      event.preventDefault();
      const given = parseNumber(input.value);
      if (Number.isFinite(given)) judge(n, feedback, given);
      else { feedback.className = "bk-quiz-feedback"; feedback.textContent = "Type a number, such as 0.25, 1e-3 or 5/8."; }
    };
    const form = h("form", { class: "bk-quiz-answer", onsubmit: check }, input, h("button", { class: "bk-button", type: "submit", text: "Check" }));
    return h("li", {}, h("fieldset", {}, legend, form, feedback));
  });
  tell();
  frame(model, el, "quiz", h("ol", { class: "bk-quiz-list" }, items), score);
}

export default { render };
