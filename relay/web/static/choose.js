// The tick that chooses all rows of a page.
export function choose() {
  document.documentElement.classList.add("script");
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-all]")) return;
    for (const box of event.target.form.querySelectorAll("input[name=id]")) box.checked = event.target.checked;
  });
}
