// Which small mistakes are tried: each mutant replaces a few characters of one line of code.

/** Pairs of a pattern and what takes its place. Patterns are looked for in code alone, without comments and strings. */
const REPLACEMENTS = [
  [/==/g, "!="],
  [/!=/g, "=="],
  [/<=/g, "<"],
  [/>=/g, ">"],
  [/(?<= )<(?= )/g, "<="],
  [/(?<= )>(?= )/g, ">="],
  [/&&/g, "||"],
  [/\|\|/g, "&&"],
  [/(?<= )\+(?= )/g, "-"],
  [/(?<= )-(?= )/g, "+"],
  [/(?<= )\*(?= )/g, "/"],
  [/(?<= )\/(?= )/g, "*"],
  [/(?<= )%(?= )/g, "/"],
  [/(?<= )\|(?= )/g, "&"],
  [/(?<= )&(?= )/g, "|"],
  [/(?<= )\^(?= )/g, "|"],
  [/<</g, ">>"],
  [/>>/g, "<<"],
  [/\+\+/g, "--"],
  [/\+=/g, "-="],
  [/!(?=[\w(])/g, ""],
  [/~(?=\w)/g, ""],
  [/\btrue\b/g, "false"],
  [/\bfalse\b/g, "true"],
  [/\bnonReentrant\b/g, ""],
  [/(?<![\w.])\d+(?![\w.])/g, (number) => String(Number(number) + 1)],
  // Yul
  [/\blt\(/g, "gt("],
  [/\bgt\(/g, "lt("],
  [/\bsgt\(/g, "slt("],
  [/\beq\(/g, "xor("],
  [/\bxor\(/g, "eq("],
  [/\biszero\(/g, "not("],
  [/\badd\(/g, "sub("],
  [/\bsub\(/g, "add("],
  [/\bor\(/g, "and("],
  [/\band\(/g, "or("],
  [/\bshl\(/g, "shr("],
  [/\bshr\(/g, "shl("],
];

/** A statement on one line that can be left out without a syntax error. */
const STATEMENT =
  /^(?!\s*(?:return|import|using|error|event|pragma|type|let|assembly|for|while|else|mapping|\w+ (?:private|internal|public|constant))\b)\s+(?:if \(.*\) (?:revert|return)\b|revert\b|emit\b|delete\b|[\w.[\]]+\(|[\w.[\]()]+ [-+|]?= |\+\+).*;\s*$/;

/** All mutants of a source: `{ start, end, replacement, line, what }`. */
export function mutantsOf(source) {
  const code = blank(source);
  const mutants = [];
  const lines = lineStarts(source);
  for (const [pattern, replacement] of REPLACEMENTS) {
    for (const match of code.matchAll(pattern)) {
      const with_ = typeof replacement === "function" ? replacement(match[0]) : replacement;
      add(match.index, match.index + match[0].length, with_, `${match[0]} → ${with_ || "nothing"}`);
    }
  }
  code.split("\n").forEach((text, i) => {
    if (STATEMENT.test(text)) add(lines[i] + text.search(/\S/), lines[i] + text.trimEnd().length, "", "left out");
  });
  return mutants.sort((a, b) => a.start - b.start);

  function add(start, end, replacement, what) {
    const line = lines.findLastIndex((lineStart) => lineStart <= start) + 1;
    const text = source.split("\n")[line - 1].trim();
    if (!/^(import|pragma|using|error|event|type)\b/.test(text)) mutants.push({ start, end, replacement, line, text, what });
  }
}

/** The source with comments and strings as spaces, every other character where it was. */
function blank(source) {
  return source.replace(/\/\/[^\n]*|\/\*[\s\S]*?\*\/|"[^"\n]*"/g, (text) => text.replace(/[^\n]/g, " "));
}

function lineStarts(source) {
  const starts = [0];
  for (let i = source.indexOf("\n"); i >= 0; i = source.indexOf("\n", i + 1)) starts.push(i + 1);
  return starts;
}
