/** Whether the server has the pages of the documents. ORGD_DOCS=off turns them off. */
export const hasDocs = "docs" in (document.getElementById("app")?.dataset ?? {});

/** A link to a place in the guides, or only its text if there are none. It opens another tab: a dialog may show what is not shown again. */
export function GuideLink({ to, children }: { to: string; children: string }) {
  return hasDocs ? <a href={`/docs/guides/${to}`} target="_blank" rel="noopener">{children}</a> : <>{children}</>;
}
