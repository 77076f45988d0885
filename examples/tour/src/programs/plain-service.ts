/** The same service without owners: `node plain-service.ts DIRECTORY forget|log`. */
import { Shop, beat } from "./shop.ts";

const [, , directory = "", manner] = process.argv;

process.once("disconnect", () => process.exit());

const shop = await Shop.open(directory);
if (manner === "log") shop.relay().catch((error: unknown) => console.error(error));
else void shop.relay();
setInterval(() => shop.note("alive"), beat);
process.once("SIGTERM", () => void shop.close().then(() => process.exit()));
