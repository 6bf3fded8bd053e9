/** One planted fault and the test that must notice it. */
export interface Mutant extends Edit {
  readonly name: string;
  /** the invariant of ARCHITECTURE.md it breaks */
  readonly invariant: string;
  readonly file: string;
  /** further edits of the same file, where one alone would break what it means to weaken */
  readonly also?: readonly Edit[];
  /** its test only says something where servers can be put into a sandbox */
  readonly needs?: 'sandbox';
  readonly killedBy: {
    readonly file: string;
    /** part of the test's title, or of its describe's; all tests of the file when left out */
    readonly test?: string;
  };
}

export interface Edit {
  /** stands exactly once in the file */
  readonly find: string;
  readonly replace: string;
}
