/** Every digest that a text mentions. */
export const digestsIn = (text: string): string[] => text.match(/sha256-[0-9a-f]{64}/g) ?? [];
