import { render } from "preact";
import { App } from "./app";

const place = document.getElementById("app");
if (place) {
  place.replaceChildren(); // the text that is there until the script has loaded
  render(<App version={place.dataset.version ?? ""} />, place);
}
