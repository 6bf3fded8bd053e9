/** Switches that hand the app to whoever can reach a port: a fuse does not cover them. */
const debuggingSwitches = ['remote-debugging-port', 'remote-debugging-pipe', 'remote-debugging-address', 'remote-allow-origins'] as const;

/** The switch because of which a packaged app refuses to start; null: it may. */
export function refusedSwitch(has: (name: string) => boolean, app: { isPackaged: boolean; isTestBuild: boolean }): string | null {
  if (!app.isPackaged || app.isTestBuild) return null;
  return debuggingSwitches.find(has) ?? null;
}

const maxCodeChars = 4_096;

/** The enrolment code among the arguments (`postern-enrol:…`, as a link hands it over); null: none. */
export function enrolmentCodeIn(argv: readonly string[]): string | null {
  return argv.find((argument) => argument.length <= maxCodeChars && /^postern-enrol:[A-Za-z0-9_-]+$/.test(argument)) ?? null;
}

/** Whether it was started by the login: then no window opens. */
export function isHiddenStart(argv: readonly string[]): boolean {
  return argv.includes('--hidden');
}
