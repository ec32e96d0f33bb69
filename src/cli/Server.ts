/** The settings of the server on this machine, for the commands that look at its files. */
import { Effect, Option } from "effect"
import { Env } from "./Env.ts"
import { optionalText } from "./Inputs.ts"
import * as SettingsSource from "./Settings.ts"

export const settingsOptions = {
  dataDir: optionalText("data-dir", "PATH", "Folder of the embedded database (STOA_DATA_DIR, default .stoa)"),
  config: optionalText("config", "PATH", "A settings file (default stoa.yaml, when there is one)")
}

export interface SettingsOptions {
  readonly dataDir: Option.Option<string>
  readonly config: Option.Option<string>
}

export const readSettings = ({ config, dataDir }: SettingsOptions) =>
  Effect.flatMap(Env, (env) =>
    SettingsSource.read({
      flags: { data_dir: Option.getOrUndefined(dataDir) },
      env,
      config: Option.getOrUndefined(config)
    }))
