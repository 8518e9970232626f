// The same texts as web/format.go writes; a test compares them.

export function number(value) {
  const size = Math.abs(value);
  if (size === 0) return "0.00";
  if (size < 0.005 || size >= 1e7 - 0.5) return value.toExponential(3).replace("e+", "e");
  if (size < 1000 - 0.005) return value.toFixed(2);
  if (size < 100000 - 0.05) return grouped(value.toFixed(1));
  return grouped(value.toFixed(0));
}

// A minimum or maximum is a value that was sent: a whole number stays one.
export function extreme(value) {
  return Number.isInteger(value) && Math.abs(value) < 1e7 ? grouped(value.toFixed(0)) : number(value);
}

function grouped(text) {
  const [whole, fraction] = text.split(".");
  const commas = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction ? `${commas}.${fraction}` : commas;
}

export function age(milliseconds) {
  const seconds = Math.floor(Math.max(milliseconds, 0) / 1000);
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 100 * 60) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

// A time of day in the reader's own zone.
export function clock(milliseconds) {
  return new Date(milliseconds).toLocaleTimeString("en-GB");
}
