/** Texts of strangers, such as models and tools, made harmless to look at. */

// A terminal's escape sequences, and controls that show nothing.
const escapes = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]{0,1000}(?:\u0007|\u001b\\)?|[@-Z\\-_])/g
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g

/** Marks that turn the direction of what follows: a text with them can read as another one than it is. */
const turns = /[\u202a-\u202e\u2066-\u2069]/g

export const plain = (text: string): string =>
  text
    .replaceAll(escapes, "")
    .replaceAll(controls, "")
    .replaceAll(turns, (mark) => `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase()}⟩`)
