// what the app itself links to; hosts of services are never opened in a browser from here
const allowed = ['https://c2sp.org/', 'https://docs.cedarpolicy.com/', 'https://www.pcisecuritystandards.org/'] as const;

/** Whether a link of the screens may be opened in the person's browser. */
export function mayOpen(url: string): boolean {
  if (url.length > 500 || !URL.canParse(url)) return false;
  const { href, username, password } = new URL(url);
  return username === '' && password === '' && allowed.some((start) => href.startsWith(start));
}
