import type { AppSettings } from '../contract/views.ts';
import type { DialogPort } from '../ports.ts';

/** What closing the window means; the person is asked once, and the answer is a setting. */
export async function closingMeans(
  settings: { current(): AppSettings; set(change: Partial<AppSettings>): Promise<AppSettings> },
  dialog: DialogPort,
): Promise<'hide' | 'quit' | 'stay'> {
  const { closeToTray } = settings.current();
  if (closeToTray !== null) return closeToTray ? 'hide' : 'quit';
  const chosen = await dialog.ask({
    message: 'Keep running in the tray?',
    detail: 'Requests can only be announced while it runs. Sessions are enforced either way.',
    buttons: ['Keep running', 'Quit', 'Cancel'],
  });
  if (chosen !== 0 && chosen !== 1) return 'stay';
  await settings.set({ closeToTray: chosen === 0 });
  return chosen === 0 ? 'hide' : 'quit';
}
