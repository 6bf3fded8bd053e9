/** Versions of the control API that this service speaks; a client speaks one of them, or says who must be updated. */
export const apiVersions = { oldest: 1, newest: 1 } as const;
