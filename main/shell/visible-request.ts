/** The request on the screen, out of the window's address (`app://postern/#/a/<appliance>/requests/<id>`); null: another screen. */
export function visibleRequest(url: string): { readonly appliance: string; readonly request: string } | null {
  const [, appliance, request] = /#\/a\/([a-z0-9]{1,40})\/requests\/([A-Za-z0-9_]{1,60})(?:[/?]|$)/.exec(url) ?? [];
  return appliance === undefined || request === undefined ? null : { appliance, request };
}
