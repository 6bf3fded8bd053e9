import { Component, type ReactNode } from 'react';
import { appErrorOf } from '../data/calls.ts';
import { Button } from '../kit/button.tsx';
import { Page } from '../kit/page.tsx';
import { Fault } from '../kit/states.tsx';

interface Props {
  readonly children: ReactNode;
  /** another value: another screen, so what broke is gone */
  readonly place?: string;
}

interface State {
  readonly error: unknown;
  readonly place: string | undefined;
}

/** A screen that broke while it was drawn: says why, and the rest goes on. */
export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error };
  }

  static getDerivedStateFromProps({ place }: Props, state: State): Partial<State> | null {
    return place === state.place ? null : { error: null, place };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    const fault = appErrorOf(error);
    return (
      <Page
        title="This screen broke"
        description="The service and what it enforces are not affected."
        actions={<Button onPress={() => window.location.reload()}>Reload</Button>}
      >
        <Fault of={fault} again={() => this.setState({ error: null })} />
        <details>
          <summary>Details</summary>
          <pre>{error instanceof Error ? error.stack : fault.message}</pre>
        </details>
      </Page>
    );
  }
}
