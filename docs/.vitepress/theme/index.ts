import { type Theme, useData } from "vitepress";
import DefaultTheme from "vitepress/theme-without-fonts";
import { defineAsyncComponent, defineComponent, h, onMounted, watch } from "vue";

import DecisionPicture from "./DecisionPicture.vue";
import "./style.css";

interface Frontmatter {
  readonly layout?: string;
}

/** VitePress marks the main part of every page but the first one. */
const Layout = defineComponent(() => {
  const { frontmatter } = useData();
  const mark = (layout: string | undefined): void => {
    const content = document.getElementById("VPContent");
    if (layout === "home") content?.setAttribute("role", "main");
    else content?.removeAttribute("role");
  };
  onMounted(() => {
    watch(() => (frontmatter.value as Frontmatter).layout, mark, { immediate: true, flush: "post" });
  });
  return () => h(DefaultTheme.Layout);
});

export default {
  extends: DefaultTheme,
  Layout,
  enhanceApp({ app }) {
    app.component("DecisionPicture", DecisionPicture);
    // Its editor and compiler are loaded by its page alone.
    app.component(
      "Playground",
      defineAsyncComponent(() => import("./playground/Playground.vue")),
    );
  },
} satisfies Theme;
