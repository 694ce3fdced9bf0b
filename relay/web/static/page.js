// What a page can do beyond links and forms. Everything works without it, but for news that come by themselves.
import { follow } from "./live.js";
import { listen } from "./keys.js";
import { choose } from "./choose.js";
import { preview } from "./preview.js";

follow();
listen();
choose();
preview();
