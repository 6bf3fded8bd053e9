import { useMemo } from 'react';
import { useCall } from '../../data/calls.ts';

/** Name of a service account by its id; the id itself while it is not known. */
export function useAccountNames(): (id: string) => string {
  const { data } = useCall('listServiceAccounts', { limit: 1_000 });
  return useMemo(() => {
    const names = new Map((data?.items ?? []).map(({ id, name }) => [id, name]));
    return (id) => names.get(id) ?? id;
  }, [data]);
}
