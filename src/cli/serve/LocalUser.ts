import { UserId } from "../../domain/Ids.ts"

/** Whom `stoa chat` and the printed `curl` speak for when nobody says otherwise. */
export const localUser = UserId.make("local")
