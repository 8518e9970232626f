// The server's clock: ages must not depend on how a wall screen's clock is set.

let offset = 0;

// set tells what time it is for the server at this moment.
export function set(serverTime) {
  const now = Date.parse(serverTime);
  if (!Number.isNaN(now)) offset = now - Date.now();
}

export const now = () => Date.now() + offset;
