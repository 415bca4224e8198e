// Shows the API description. Requests go only to the server that serves this page, and the
// key that a reader enters stays in the page's memory.
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyTheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", applyTheme);
applyTheme();

const place = document.getElementById("reference");

// The viewer fills the example of each parameter, or of its schema, into the form of a call.
// With examples of all filters, a list is empty, and a repeated example of an
// Idempotency-Key is a conflict. The examples of optional parameters become text.
function showExamplesAsText({ parameters, schemas }) {
  for (const parameter of Object.values(parameters)) {
    if (parameter.required) continue;
    const schema = { ...(schemas[parameter.schema.$ref?.split("/").pop()] ?? parameter.schema) };
    const example = parameter.example ?? schema.example;
    delete parameter.example;
    delete schema.example;
    parameter.schema = schema;
    if (schema.type === "object") parameter.example = {}; // or else the viewer invents some
    if (example !== undefined) parameter.description += `\n\nExample: \`${typeof example === "string" ? example : JSON.stringify(example)}\``;
  }
}

fetch(place.dataset.description)
  .then((response) => {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  })
  .then((spec) => {
    showExamplesAsText(spec.components);
    // Readers look for an operation first. The rules for all calls are in the guide, too.
    spec.info.description = "The [guide to the API](/docs/guides/api) has the rules that hold for every call.";
    SwaggerUIBundle({
      spec,
      domNode: place,
      deepLinking: true,
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      filter: true,
      persistAuthorization: false,
      validatorUrl: null,
    });
  })
  .catch((error) => {
    place.textContent = `The description of the API could not be loaded (${error.message}). Reload the page.`;
  });
