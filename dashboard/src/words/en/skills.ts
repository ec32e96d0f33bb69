/** Texts of the screen of skills. */
export const skills = {
  title: "Skills",
  about: "Instructions and files that an agent reads when a task needs them.",
  upload: "Upload a skill",
  uploadAbout: "A zip with a folder that holds SKILL.md.",
  uploaded: (name: string) => `${name} is in your library.`,
  emptyTitle: "No skills yet",
  emptyAbout:
    "A skill is a folder with a file SKILL.md, which says when and how to do something, and whatever else belongs to it. Upload it as a zip.",
  description: "What for",
  version: "Version",
  author: "By",
  files: "Files",
  shared: "shared",
  on: "on",
  off: "off"
}
