/** True if `name` matches `pattern`, where `*` stands for any run of characters and `?` for one; `@all` matches all. */
function matchesGlob(pattern: string, name: string): boolean {
  if (pattern === '@all' || pattern === '*') return true;
  // Iterative two-pointer match: linear-ish, no regular expression made from a stranger's text.
  let p = 0;
  let n = 0;
  let star = -1;
  let mark = 0;
  while (n < name.length) {
    if (
      p < pattern.length &&
      (pattern[p] === '?' || pattern[p] === name[n]) &&
      pattern[p] !== '*'
    ) {
      p++;
      n++;
    } else if (p < pattern.length && pattern[p] === '*') {
      star = p++;
      mark = n;
    } else if (star >= 0) {
      p = star + 1;
      n = ++mark;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}

/** True if any of the patterns matches. */
export const matchesAny = (patterns: readonly string[], name: string): boolean =>
  patterns.some((pattern) => matchesGlob(pattern, name));
