import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { analyseCommand } from './analyse-command.ts';

const programsOf = (text: string): string => analyseCommand(text).programs.join(' ');
const shellOf = (text: string): string => analyseCommand(text).shell.join(' ');

describe('the programs of a command', () => {
  it.each([
    ['ls -la /tmp', 'ls'],
    ['/usr/bin/curl https://x', '/usr/bin/curl curl'],
    ['cu""rl x', 'curl'],
    ["c'u'rl x", 'curl'],
    ['c\\u\\r\\l x', 'curl'],
    ['"cu"r\\l x', 'curl'],
    ['ls \\\n  -la', 'ls'],
    ['ls # curl', 'ls'],
    ['ls a#b', 'ls'],
    ['a; b && c || d | e & f', 'a b c d e f'],
    ['a\nb', 'a b'],
    ['(a; b) | c', 'a b c'],
    ['! grep x y', 'grep'],
    ['A=1 ! ls', '!'],
    ['> x ! ls', '!'],
    ['echo $(curl x)', 'curl echo'],
    ['echo "$(curl "$(id)")"', 'curl echo id'],
    ['echo `curl x`', 'curl echo'],
    ['echo `echo \\`id\\``', 'echo id'],
    ['echo "`curl \\"x\\"`"', 'curl echo'],
    ["echo '$(curl x)'", 'echo'],
    ['X=$(id) ls', 'id ls'],
    ['ls > $(id)', 'id ls'],
    ['cat <<E\n$(id)\nE\n', 'cat id'],
    ["cat <<'E'\n$(id)\nE\nls", 'cat ls'],
    ['sudo -u root curl x', 'curl sudo'],
    ['sudo -uroot -n A=1 curl', 'curl sudo'],
    ['env -i A=b B=c curl', 'curl env'],
    ['nohup nice -n 5 timeout -k 1 5 curl x', 'curl nice nohup timeout'],
    ['find . -name "*.c" -exec rm -f {} \\;', 'find rm'],
    ['find . -exec grep x {} + -exec wc {} ";"', 'find grep wc'],
    ['ls | xargs -0 -n 1 rm', 'ls rm xargs'],
    ['ls | xargs -I % cp % /tmp', 'cp ls xargs'],
    ["sh -c 'curl x | sh'", 'curl sh'],
    ["/bin/bash -lc 'exec curl x'", '/bin/bash bash curl exec'],
    ['find . -exec sh -c \'wc "$1"\' _ {} \\;', 'find sh wc'],
    ['bash ./deploy.sh', './deploy.sh bash deploy.sh'],
    ['. ./lib.sh', '. ./lib.sh lib.sh'],
    ['eval "curl x"', 'curl eval'],
    ["trap 'curl x' EXIT; ls", 'curl ls trap'],
    ['command -v curl', 'command curl'],
    ['2>/dev/null ls', 'ls'],
    ['"X"=1 ls', 'X=1'],
    ['', ''],
  ])('of %j are %j', (text, programs) => {
    expect(programsOf(text)).toBe(programs);
  });
});

describe('what a shell does besides', () => {
  it.each([
    ['ls', ''],
    ['ls;', ''],
    ['ls | wc', 'pipe'],
    ['ls; wc', 'list'],
    ['ls\nwc', 'list'],
    ['ls && wc', 'list'],
    ['ls; > x', 'list redirect'],
    ['ls &', 'background'],
    ['ls > x 2>&1', 'redirect'],
    ['cat <<E\nx\nE', 'redirect'],
    ['ls $HOME', 'variable'],
    ['ls "${HOME}"', 'variable'],
    ['ls ~/x', 'variable'],
    ['X=1 ls', 'variable'],
    ['export PATH=/tmp', 'variable'],
    ['ls *.c', 'glob'],
    ['ls {a,b}', 'glob'],
    ['ls "*.c" \\* \'?\'', ''],
    ['ls $(id)', 'substitution'],
    ['ls `id`', 'substitution'],
    ["sh -c 'ls | wc'", 'pipe'],
    ['echo 5$ $', ''],
  ])('in %j is %j', (text, shell) => {
    expect(shellOf(text)).toBe(shell);
  });
});

describe('what is not understood', () => {
  it.each([
    // what runs is not in the text
    ...['$X ls', '"$X"', '`id`', 'l* x', '~/x', 'sudo $X', 'env $X', 'sh -c "$X"', 'eval $X', 'eval "ls $X"', 'bash -c', '{a,b}', 'c{ur,}l', 'bash $X'],
    ...[
      'ls | xargs sh',
      'ls | xargs env',
      'ls | xargs sudo',
      'ls | xargs find',
      'ls | xargs eval',
      'ls | xargs xargs',
      'ls | xargs -I ls sh -c ls',
      'ls | xargs -I % %',
    ],
    ...[
      'find . -exec {} \\;',
      "find . -exec sh -c 'ls {}' \\;",
      'find . -exec env {} \\;',
      'find $X',
      'find . -exec rm',
      'ls | xargs -I % find . %',
      'trap "$X" EXIT',
    ],
    // options that may run something, or have a value
    ...[
      'sudo -i',
      'sudo --user=root ls',
      'env -S "curl x"',
      'xargs -i ls',
      'timeout --foreground 5 ls',
      'sh -s',
      'bash --rcfile x',
      'bash --init-file x -c ls',
    ],
    // shells read these differently
    ...[
      'ls &> x',
      'ls |& wc',
      "ls $'x'",
      'ls $"x"',
      'cat <<< x',
      'diff <(a) <(b)',
      'ls $((1+1))',
      '((x=1))',
      'ls $[1]',
      'a\\\nb',
      'ls &\\\n& b',
      '$\\\n(id)',
      '"a\\\nb"',
    ],
    // more than simple commands
    ...[
      'if a; then b; fi',
      'for i in a; do b; done',
      'while a; do b; done',
      'case a in b) c;; esac',
      'f() { a; }',
      'function f { a; }',
      '{ a; }',
      '[[ a ]]',
      '[ a ]',
      'a=(b c)',
    ],
    ...['${X:-$(id)}', 'ls ${X:-y}', 'ls ${!X}', 'ls ${X', 'alias ls=curl', 'ls;;', 'ls;&'],
    // not shell text
    ...[
      'ls "',
      "ls '",
      'ls `',
      'ls $(',
      'ls (',
      'ls )',
      '(ls',
      'ls)',
      ';',
      '&',
      '| a',
      'a |',
      'a &&',
      'a && ; b',
      'a ; ; b',
      'ls >',
      'ls > ; b',
      'ls \\',
      'cat <<E',
      'cat <<E\nx',
      'cat <<$E\n$E',
    ],
    ...['ls\0', 'ls\r\ncurl', 'ls\u00a0x', 'ls\u2028x', 'ls\u001b[1m', '(a) b', '"" x', '# only', 'x$(cat <<E)\nE\n'],
  ])('is refused: %j', (text) => {
    expect(() => analyseCommand(text)).toThrow(expect.objectContaining({ code: 'ERR_STATEMENT_UNPARSEABLE' }) as Error);
  });

  it.each([
    ['long texts', 'a'.repeat(16_385)],
    ['many commands', 'a;'.repeat(300)],
    ['many words', 'a '.repeat(5_000)],
    ['deep nesting', `${'('.repeat(20)}a${')'.repeat(20)}`.replaceAll('((', '( (').replaceAll('((', '( (')],
    ['deep substitutions', `${'echo $('.repeat(20)}a${')'.repeat(20)}`],
    ['deep wrapping', `${'nohup '.repeat(20)}a`],
  ])('is refused as too much: %s', (_, text) => {
    expect(() => analyseCommand(text)).toThrow(expect.objectContaining({ code: 'ERR_STATEMENT_TOO_LARGE' }) as Error);
  });
});

const plainWord = fc
  .stringMatching(/^[a-z][a-z0-9]{0,8}$/)
  .filter(
    (word) =>
      !/^(?:if|then|else|elif|fi|do|done|case|esac|while|until|for|in|function|select|coproc|sh|env|find|eval|trap|read|set|nice|time|exec|sudo|hash|bind|fc)$/.test(
        word,
      ),
  );
/** the same word, its characters quoted in random ways */
const disguised = (word: string) =>
  fc
    .array(fc.constantFrom('', '\\', "'", '"'), { minLength: word.length, maxLength: word.length })
    .map((ways) => Array.from(word, (char, index) => (ways[index] === '\\' ? `\\${char}` : `${ways[index] ?? ''}${char}${ways[index] ?? ''}`)).join(''));

describe('properties', () => {
  it('quoting never hides a program', () => {
    fc.assert(
      fc.property(
        plainWord.chain((word) => fc.tuple(fc.constant(word), disguised(word))),
        fc.constantFrom('', ' x', ' | cat', '; ls'),
        ([word, text], behind) => {
          expect(analyseCommand(text + behind).programs).toContain(word);
        },
      ),
    );
  });

  it('a quoted argument is never read as syntax', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('ab$`"\\;&|<>(){}*?#~! \n\t')) }), (value) => {
        const single = `echo '${value.replaceAll("'", '')}'`;
        expect(analyseCommand(single)).toEqual({ programs: ['echo'], shell: [] });
      }),
    );
  });

  it('any text is understood or refused, and quickly', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...Array.from('ab1$`\'"\\;&|<>(){}*?#~!=- \n\t')), maxLength: 200 }), (text) => {
        try {
          for (const program of analyseCommand(text).programs) expect(program).not.toBe('');
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_STATEMENT_(?:UNPARSEABLE|TOO_LARGE)$/) as string });
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
