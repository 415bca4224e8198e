import type { components } from "@orgd/client";

export type Scope = components["schemas"]["Scopes"][number];

/** All scopes, in the order of the API reference, with what they allow. */
export const scopeTexts: readonly { scope: Scope; title: string; text: string }[] = [
  { scope: "orgs:read", title: "Read organizations", text: "List, search and export organizations and their members." },
  { scope: "orgs:write", title: "Change organizations", text: "Create, rename, deactivate and reactivate organizations, and change their metadata." },
  { scope: "orgs:delete", title: "Delete organizations", text: "Delete deactivated organizations for good." },
  { scope: "orgs:import", title: "Import organizations", text: "Choose the id, age and state of new organizations. Needs “Change organizations” too." },
  { scope: "members:write", title: "Change members", text: "Add and remove members, and set their roles." },
  { scope: "users:erase", title: "Erase users", text: "Remove a user from the whole account, including its history." },
  { scope: "keys:manage", title: "Manage API keys", text: "List, create, rotate and revoke keys. A key can give only the scopes that it has itself." },
  { scope: "events:read", title: "Read events", text: "Read the activity of the account and the history of its objects." },
  { scope: "webhooks:manage", title: "Manage webhooks", text: "Create and change webhooks. They can receive all events, so this includes “Read events”." },
  { scope: "act-as-user", title: "Act for a user", text: "Name the person for whom a change is made." },
];

export const scopeTitle = (scope: string): string => scopeTexts.find((s) => s.scope === scope)?.title ?? scope;
