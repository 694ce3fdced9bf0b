// What a page can do beyond links and forms. Everything works without it, but for news that come by themselves.
import { follow } from "./live.js";
import { listen } from "./keys.js";
import { choose } from "./choose.js";
import { preview } from "./preview.js";

follow();
listen();
choose();
preview();

// Where a row of links is wider than the window, the one that is current is in sight.
for (const row of document.querySelectorAll(".side, .tabs")) {
  const link = row.querySelector("[aria-current]");
  if (!link) continue;
  const [at, edge] = [link.getBoundingClientRect(), row.getBoundingClientRect()];
  row.scrollLeft += at.left - edge.left - (edge.width - at.width) / 2;
}
