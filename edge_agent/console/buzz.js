/** A phone's buzz, for whoever looks at the dog and not at the page. */

/** Buzz by `pattern`, milliseconds; browsers refuse it before the page was first touched. */
export function buzz(pattern) {
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.(pattern);
}
