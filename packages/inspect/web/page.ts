/** The page that `serveWeb` serves. */
import { httpSource } from "./http-source.ts";
import { mountInspector } from "./view.ts";

const STORED = "scope-inspect-key";

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :root { color-scheme: light dark; background: light-dark(#ffffff, #14171c); }
  body, html { height: 100%; margin: 0; }
  main { height: 100dvh; }
`);
document.adoptedStyleSheets = [sheet];

mountInspector(document.querySelector("main")!, httpSource(document.baseURI, takeKey()));

/** The key leaves the address bar, where it would be read by others and kept by the history; a reload still finds it. */
function takeKey(): string {
  const fresh = location.hash.slice(1);
  if (fresh !== "") {
    sessionStorage.setItem(STORED, fresh);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(STORED) ?? "";
}
