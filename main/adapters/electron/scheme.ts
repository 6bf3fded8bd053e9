import { protocol, type Session } from 'electron';
import { appScheme, type Screens } from '../../shell/screens.ts';

/** Before the app is ready: a scheme with an origin of its own, treated as secure. */
export function declareScheme(): void {
  protocol.registerSchemesAsPrivileged([{ scheme: appScheme, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
}

export function serveScreens(session: Session, screens: Screens): void {
  session.protocol.handle(appScheme, (request) => {
    const { status, headers, body } = screens.answer(request.method, request.url);
    return new Response(request.method === 'HEAD' ? null : body, { status, headers: { ...headers } });
  });
}
