import './strict.ts';
import '@fontsource-variable/inter/index.css';
import '@fontsource-variable/jetbrains-mono/index.css';
import '../design/tokens.css';
import '../design/base.css';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createRoot } from 'react-dom/client';
import type { Bridge } from '../../main/contract/bridge.ts';
import { takeEnrolmentCode } from '../bridge/browser.ts';
import { electronBridge } from '../bridge/electron.ts';
import { httpBridge } from '../bridge/http.ts';
import { BridgeProvider } from '../data/outside.tsx';
import { Toasts } from '../kit/toasts.tsx';
import { ErrorBoundary } from './error-boundary.tsx';
import { Root } from './root.tsx';

const enrolmentCode = takeEnrolmentCode(window.location, window.history);

function bridgeHere(): Bridge {
  if (window.postern) return electronBridge(window.postern);
  return httpBridge({
    origin: window.location.origin,
    fetch: window.fetch.bind(window),
    appVersion: import.meta.env['POSTERN_VERSION'] as string,
    storage: window.localStorage,
    enrolmentCode,
  });
}

// nothing is read on a timer: the service says what changed
const client = new QueryClient({
  defaultOptions: {
    queries: {
      retry: false,
      refetchOnWindowFocus: false,
      refetchOnReconnect: false,
      refetchOnMount: true,
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: 300_000,
      networkMode: 'always',
    },
    mutations: { retry: false, networkMode: 'always' },
  },
});

function start(): void {
  const bridge = bridgeHere();
  const place = document.getElementById('root');
  if (place === null) return;
  createRoot(place).render(
    <ErrorBoundary>
      <QueryClientProvider client={client}>
        <BridgeProvider bridge={bridge}>
          <Toasts>
            <Root />
          </Toasts>
        </BridgeProvider>
      </QueryClientProvider>
    </ErrorBoundary>,
  );
}

start();
